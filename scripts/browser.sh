#!/usr/bin/env bash
# Make sure that there is a Chromium for the browser tests; Debian's, where we may install it.
set -euo pipefail
for name in "${COMMONWORKS_CHROMIUM:-}" chromium chromium-browser google-chrome; do
  if [[ -n "$name" ]] && command -v "$name" >/dev/null 2>&1; then
    exit 0
  fi
done
if [[ "$(id -u)" == 0 ]] && command -v apt-get >/dev/null 2>&1; then
  echo "installing chromium for the browser tests" >&2
  export DEBIAN_FRONTEND=noninteractive
  { apt-get -qq update && apt-get -qq install -y --no-install-recommends chromium fonts-dejavu-core; } >/tmp/commonworks-browser.$$ 2>&1 || {
    cat "/tmp/commonworks-browser.$$" >&2
    rm -f "/tmp/commonworks-browser.$$"
    echo "chromium could not be installed; the browser tests need it" >&2
    exit 1
  }
  rm -f "/tmp/commonworks-browser.$$"
  exit 0
fi
echo "the browser tests need Chromium: sudo apt install chromium (or set COMMONWORKS_CHROMIUM to one)" >&2
exit 1
