#!/bin/sh
# make-repository.sh DIRECTORY: a package repository without signatures, made of small packages with units.
set -eu
repository=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$repository"

# control NAME VERSION: starts a package, further control fields on standard input
control() {
  rm -rf "$work/$1"
  mkdir -p "$work/$1/DEBIAN"
  { printf 'Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: Nobody <nobody@casa.test>\n' "$1" "$2"
    cat
    printf 'Description: %s of the state scenario\n' "$1"; } > "$work/$1/DEBIAN/control"
}
pack() {
  (cd "$work/$1" && find . -path ./DEBIAN -prune -o -type f -printf '%P\0' | xargs -0r md5sum > DEBIAN/md5sums)
  dpkg-deb --root-owner-group --build "$work/$1" "$repository" > /dev/null
}
unit() {
  mkdir -p "$work/$1/usr/lib/systemd/system"
  printf '[Unit]\nDescription=%s\n[Service]\nExecStart=/usr/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n' \
    "$2" > "$work/$1/usr/lib/systemd/system/$2"
}

for version in 1.0 1.1 2.0; do
  : | control casademo "$version"
  mkdir -p "$work/casademo/usr/share/casademo"
  echo "$version" > "$work/casademo/usr/share/casademo/version"
  pack casademo
done
: | control casademo-unwanted 1.0
pack casademo-unwanted
: | control casademo-library 1.0
pack casademo-library

echo 'Depends: casademo-library' | control casademo-services 1.0
unit casademo-services casademo-packaged.service
unit casademo-services casademo-idle.service
unit casademo-services casademo-masked.service
mkdir -p "$work/casademo-services/etc/casademo"
echo 'a setting' > "$work/casademo-services/etc/casademo/services.conf"
echo /etc/casademo/services.conf > "$work/casademo-services/DEBIAN/conffiles"
# As Debian's own packages do, it wants its service to run at once; a test can make it wait.
cat > "$work/casademo-services/DEBIAN/postinst" <<'EOF'
#!/bin/sh
set -e
while [ -e /run/state-demo-hold-package ]; do sleep 0.1; done
systemctl daemon-reload
deb-systemd-invoke start casademo-packaged.service
EOF
cat > "$work/casademo-services/DEBIAN/prerm" <<'EOF'
#!/bin/sh
systemctl stop casademo-packaged.service casademo-idle.service || true
EOF
chmod 0755 "$work/casademo-services/DEBIAN/postinst" "$work/casademo-services/DEBIAN/prerm"
pack casademo-services

cd "$repository"
for package in *.deb; do
  dpkg-deb -f "$package"
  printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n\n' "$package" "$(stat -c %s "$package")" "$(sha256sum < "$package" | cut -d' ' -f1)"
done > Packages
