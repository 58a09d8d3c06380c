"""The verifier: mirrors logs, confirms what it holds, settles, attests. Logic over ports."""
