#!/usr/bin/env bash
# A real IMAP server for the tests in tests/mail: Dovecot 2.3 out of Debian's (or Ubuntu's) packages, unpacked into
# .tools/dovecot. Nothing is installed and no rights are needed. Where it cannot be had, one line says so, and those tests
# are skipped.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
home=$PWD/.tools/dovecot
recipe=$(cksum <"${BASH_SOURCE[0]}")

cannot() { printf '!! Dovecot is missing (%s): the tests against a real IMAP server will NOT run.\n' "$1" >&2; exit 0; }

if [ -f "$home/.set-up" ] && [ "$(cat "$home/.set-up")" = "$recipe" ]; then
    exit 0
fi
command -v apt-get >/dev/null && command -v dpkg >/dev/null || cannot 'it comes from Debian packages'

rm -rf "$home"
mkdir -p "$home"/{lists,cache/archives,root}
log=$home/set-up.log
# Lists and downloads in our own folder: that takes no rights, and the system's stay as they are.
debian() {
    apt-get -qq -o Dir::State::lists="$home/lists" -o Dir::Cache="$home/cache" -o Debug::NoLocking=1 \
        -o APT::Sandbox::User="$(id -un)" -o Acquire::Retries=2 -o Acquire::http::Timeout=20 "$@" 2>>"$log"
}
echo 'Dovecot → .tools/dovecot' >&2
debian update >>"$log" || cannot "apt-get update failed, see $log"
# Dovecot, and of the libraries that it needs those that this machine has not.
packages=$(debian install --simulate --no-install-recommends dovecot-imapd | awk '$1 == "Inst" { print $2 }') \
    || cannot "no package dovecot-imapd, see $log"
if [[ " ${packages//$'\n'/ } " != *" dovecot-imapd "* ]]; then
    # Installed here already: unpacked once more, so that there is one way only.
    packages+=" dovecot-core dovecot-imapd"
fi
# shellcheck disable=SC2086
(cd "$home/cache" && debian download $packages) >>"$log" || cannot "the download failed, see $log"
for package in "$home"/cache/*.deb; do
    dpkg -x "$package" "$home/root" 2>>"$log" || cannot "unpacking failed, see $log"
done
rm -rf "$home/lists" "$home/cache"

library=$(echo "$home"/root/usr/lib/dovecot/libdovecot.so.0.*)
[ -f "$library" ] || cannot 'the packages are not as expected'
version=$(LD_LIBRARY_PATH=$(dirname "$library") "$home/root/usr/sbin/dovecot" --version 2>>"$log") || cannot "it does not start, see $log"
# 2.4 reads another configuration than the tests write.
[[ $version == 2.3.* ]] || cannot "these packages are Dovecot $version, the tests know 2.3"
# The place of its modules is compiled in. In this copy it leads to `modules` in the folder that the server runs in.
sed -i 's#/usr/lib/dovecot/modules#.//./././././././modules#' "$library"
chmod -R a+rX "$home"
printf '%s' "$recipe" >"$home/.set-up"
