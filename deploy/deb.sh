#!/usr/bin/env bash
# Makes a Debian package of the binary: it, its unit, its settings. Depends on nothing that a release of Debian has and
# another has not, since the binary is static.
# usage: deploy/deb.sh BINARY FOLDER      -> FOLDER/allod_VERSION_ARCHITECTURE.deb
set -euo pipefail
cd "$(dirname "$0")/.."
binary=${1:?a binary} folder=${2:?where to}

# The machine that an ELF file is for (elf(5), e_machine).
case "$(od -An -tx1 -j18 -N2 "$binary" | tr -d ' ')" in
  3e00) architecture=amd64 ;;
  b700) architecture=arm64 ;;
  *) echo "$binary is of no architecture that packages are made for" >&2; exit 1 ;;
esac
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"
umask 022
install -Dm755 "$binary" "$root/usr/bin/allod"
install -Dm644 deploy/deb/allod.service "$root/usr/lib/systemd/system/allod.service"
install -Dm644 deploy/deb/allod.toml "$root/etc/allod/allod.toml"
docs=$root/usr/share/doc/allod
install -d "$docs"
install -m644 README.md SECURITY.md deploy/install.md "$docs"
gzip -9n <CHANGELOG.md >"$docs/changelog.gz"
{
  printf 'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: Allod\n\nFiles: *\n'
  printf 'Copyright: the authors of Allod\nLicense: Expat or Apache-2.0\n\nLicense: Expat\n'
  sed -e 's/^$/./' -e 's/^/ /' LICENSE-MIT
  printf '\nLicense: Apache-2.0\n On Debian it is in /usr/share/common-licenses/Apache-2.0.\n'
} >"$docs/copyright"

install -d "$root/DEBIAN"
for script in postinst prerm postrm; do install -m755 "deploy/deb/$script" "$root/DEBIAN/$script"; done
echo /etc/allod/allod.toml >"$root/DEBIAN/conffiles"
(cd "$root" && find usr -type f -print0 | sort -z | xargs -0 md5sum) >"$root/DEBIAN/md5sums"
cat >"$root/DEBIAN/control" <<END
Package: allod
Version: $version
Architecture: $architecture
Maintainer: The authors of Allod <allod@localhost>
Installed-Size: $(du -sk --exclude=DEBIAN "$root" | cut -f1)
Depends: ca-certificates, init-system-helpers (>= 1.52)
Section: web
Priority: optional
Description: personal cloud that its owner holds outright
 Data lives in an encrypting vault; every request passes a policy check, down to
 the field; apps get exactly what was granted; devices and blind replicas sync
 end-to-end encrypted.
END
mkdir -p "$folder"
package=$folder/allod_${version}_$architecture.deb
dpkg-deb --root-owner-group -Zxz --build "$root" "$package" >/dev/null
echo "$package"
