/**
 * A verification as a list of steps, each with what it computed, and one verdict over all.
 *
 * A step is {id, number, status, reason, values, result}. `status` is one of
 *   ok     computed here, and it fits
 *   fail   computed here, and it does not fit; `reason` says why
 *   told   it fits what somebody told us; nobody we can check confirmed it
 *   skip   not checked; `reason` says why
 * `id`, `reason` and the names in `values` are codes: `proof_words.py` has their words.
 */

import { ProofError, equal, toHex } from "./proof-bytes.js";

export class Steps {
  constructor() {
    this.list = [];
  }

  /** Add a step. `values`: {name: bytes or text}. */
  add(id, status, { reason = null, where = "", values = {}, result = null, number = null } = {}) {
    const shown = Object.entries(values)
      .filter(([, value]) => value !== null && value !== undefined)
      .map(([name, value]) => [name, value instanceof Uint8Array ? toHex(value) : String(value)]);
    this.list.push({
      id,
      number,
      status,
      reason,
      where,
      values: shown,
      result: result instanceof Uint8Array ? toHex(result) : result,
    });
    return status !== "fail";
  }

  /** Add a step that holds when two byte strings are the same. */
  same(id, computed, expected, reason, details = {}) {
    const fits = equal(computed, expected);
    const { values = {}, ...rest } = details;
    return this.add(id, fits ? "ok" : "fail", {
      ...rest,
      reason: fits ? null : reason,
      values: { ...values, expected: fits ? null : expected },
      result: computed,
    });
  }

  /** Add a failed step for a ProofError; pass on what is no verdict on the proof. */
  refuse(id, error) {
    if (!(error instanceof ProofError)) throw error;
    return this.add(id, "fail", { reason: error.code, where: error.where });
  }

  /** Return {steps, verdict, failed}: verdict is `fails`, `open`, `told` or `holds`. */
  end({ open = false } = {}) {
    const ids = (status) => this.list.filter((step) => step.status === status).map(({ id }) => id);
    const failed = ids("fail");
    let verdict = "holds";
    if (failed.length) verdict = "fails";
    else if (open) verdict = "open";
    else if (ids("told").length) verdict = "told";
    return { steps: this.list, verdict, failed, skipped: ids("skip") };
  }
}
