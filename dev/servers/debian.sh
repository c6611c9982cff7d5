# shellcheck shell=bash disable=SC2154
# The default server: Debian 13's PostgreSQL 17 and TimescaleDB in a chroot.
# Nothing stays mounted: the server needs only the device files that
# debootstrap makes.

data=var/lib/postgresql/scratch

recipe() { echo 1; }

# The mirror of this machine if it is Debian; else nothing, which is debootstrap's own.
mirror() {
  # shellcheck source=/dev/null
  . /etc/os-release
  [[ $ID == debian && -n ${VERSION_CODENAME:-} ]] || return 0
  # shellcheck disable=SC2016
  apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
    awk -v release="$VERSION_CODENAME" '$1 ~ /^https?:/ && $2 == release && $3 == "main" && !n++ { print $1 }'
}

# Followed by the root folder and a command: runs it there, in a clean environment.
as_postgres=(env -i PATH=/usr/lib/postgresql/17/bin:/usr/bin:/bin:/usr/sbin LC_ALL=C.UTF-8
  chroot --userspec=postgres:postgres)

# The upstream version of a package in the root folder.
version() {
  local version
  # shellcheck disable=SC2016
  version=$(chroot "$1" dpkg-query -W -f '${Version}' "$2")
  echo "${version%%[+-]*}"
}

make() {
  local root=$1/root private=() mirror options=() script=() missing=()
  say "making the TimescaleDB server (once, about a minute) ..."
  has debootstrap || missing+=(debootstrap)
  [[ -e /usr/share/keyrings/debian-archive-keyring.gpg ]] || missing+=(debian-archive-keyring)
  ((${#missing[@]} == 0)) || install_packages "${missing[@]}"

  # What debootstrap mounts goes away with it, even when it is killed.
  ! unshare --mount true 2>/dev/null || private=(unshare --mount)
  mirror=$(mirror)
  [[ $mirror != https:* ]] || options=(--include=ca-certificates)
  # A debootstrap older than Debian 13 does not know its name.
  [[ -e /usr/share/debootstrap/scripts/trixie ]] || script=(sid)
  logged "${private[@]}" debootstrap --variant=minbase "${options[@]}" trixie "$root" "$mirror" "${script[@]}"

  # Start no service, make no cluster while installing.
  printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
  chmod +x "$root/usr/sbin/policy-rc.d"
  mkdir -p "$root/etc/postgresql-common"
  echo 'create_main_cluster = false' >"$root/etc/postgresql-common/createcluster.conf"
  logged "${private[@]}" env DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 chroot "$root" \
    apt-get install -y --no-install-recommends postgresql-17 postgresql-17-timescaledb
  logged chroot "$root" apt-get clean

  logged "${as_postgres[@]}" "$root" initdb --username=postgres --auth=trust --encoding=UTF8 --locale=C.UTF-8 "/$data"
  cat "$here/servers/scratch.conf" - >>"$root/$data/postgresql.conf" <<'END'
shared_preload_libraries = 'timescaledb'
# Debian has no Community edition; the extension would look for its library.
timescaledb.license = 'apache'
timescaledb.telemetry_level = off
# Only the Community edition has jobs to run.
timescaledb.max_background_workers = 0
END
  echo 'CREATE EXTENSION timescaledb' >"$root/tmp/extension.sql"
  # shellcheck disable=SC2016
  logged "${as_postgres[@]}" "$root" sh -c \
    'postgres --single -D "$1" -c exit_on_error=on postgres </tmp/extension.sql' sh "/$data"
  echo "TimescaleDB $(version "$root" postgresql-17-timescaledb) Apache, PostgreSQL $(version "$root" postgresql-17)" \
    >"$1/version"
}

serve() {
  pg_unlock "$1/root/$data"
  exec setsid "${as_postgres[@]}" "$1/root" postgres -D "/$data" -p "$2"
}

ready() { pg_ready "$1/root/$data"; }
