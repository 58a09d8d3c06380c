#!/usr/bin/env bash
# Print the Chromium that tests and pictures use; install Debian's where there is none and we may.
# `--find` only looks: exit code 1 where there is none.
set -euo pipefail
for name in "${COMMONWORKS_CHROMIUM:-}" chromium chromium-browser google-chrome; do
  if [[ -n "$name" ]] && command -v "$name" 2>/dev/null; then
    exit 0
  fi
done
as_root=()
if [[ "$(id -u)" != 0 ]]; then
  as_root=(sudo -n)
fi
if [[ "${1:-}" != --find ]] && command -v apt-get >/dev/null 2>&1 &&
  { [[ "$(id -u)" == 0 ]] || sudo -n true 2>/dev/null; }; then
  echo "installing chromium for the browser tests" >&2
  said="$(mktemp)"
  trap 'rm -f "$said"' EXIT
  packages=(chromium fonts-dejavu-core)
  if "${as_root[@]}" apt-get -qq update >"$said" 2>&1 &&
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
      apt-get -qq install -y --no-install-recommends "${packages[@]}" >>"$said" 2>&1; then
    command -v chromium
    exit 0
  fi
  cat "$said" >&2
fi
echo "the browser tests need Chromium: sudo apt install chromium (or set COMMONWORKS_CHROMIUM to one)" >&2
exit 1
