# shellcheck shell=bash disable=SC2154
# PostgreSQL and TimescaleDB, the newest of the Debian release $suite, in a chroot.
# Nothing stays mounted: the server needs only the device files that debootstrap makes.

data=var/lib/postgresql/scratch

recipe() { echo "$suite 2"; }

# The mirror of this machine if it is Debian; else nothing, which is debootstrap's own.
mirror() {
  # shellcheck source=/dev/null
  . /etc/os-release
  [[ $ID == debian && -n ${VERSION_CODENAME:-} ]] || return 0
  # shellcheck disable=SC2016
  apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
    awk -v release="$VERSION_CODENAME" '$1 ~ /^https?:/ && $2 == release && $3 == "main" && !n++ { print $1 }'
}

# Followed by the root folder and a command: runs it there.
as_root=(env PATH=/usr/bin:/bin:/usr/sbin:/sbin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive chroot)

# The same as the user of PostgreSQL, in a clean environment. `make` links /opt/postgresql to the release's programs.
as_postgres=(env -i PATH=/opt/postgresql:/usr/bin:/bin:/usr/sbin LC_ALL=C.UTF-8 chroot --userspec=postgres:postgres)

# Followed by a command, which gets mounts of its own where that is allowed; they go away with it, even when it is killed.
private=()
# Followed by the root folder and a command: mounts /proc there, which postgresql-common reads while it is installed.
# shellcheck disable=SC2016
with_proc=(sh -c 'shift; exec "$@"' sh)
if unshare --mount true 2>/dev/null; then
  private=(unshare --mount)
  # shellcheck disable=SC2016
  with_proc=(unshare --mount sh -c 'mount -t proc proc "$1/proc"; shift; exec "$@"' sh)
fi

# available COMMAND...: logged; a release that cannot be installed ends dev/db with a status of its own.
available() { (logged "$@") || exit "$unavailable"; }

# The upstream version of a package in the root folder.
version() {
  local version
  # shellcheck disable=SC2016
  version=$("${as_root[@]}" "$1" dpkg-query -W -f '${Version}' "$2")
  echo "${version%%[+-]*}"
}

# make_root ROOT [PACKAGE...]: the release with TimescaleDB, its PostgreSQL and these packages; sets extension, postgresql.
make_root() {
  local root=$1 mirror options=() script=() missing=()
  has debootstrap || missing+=(debootstrap)
  [[ -e /usr/share/keyrings/debian-archive-keyring.gpg ]] || missing+=(debian-archive-keyring)
  ((${#missing[@]} == 0)) || install_packages "${missing[@]}"

  mirror=$(mirror)
  [[ $mirror != https:* ]] || options=(--include=ca-certificates)
  # A debootstrap that is older than the release does not know its name.
  [[ -e /usr/share/debootstrap/scripts/$suite ]] || script=(sid)
  available "${private[@]}" debootstrap --variant=minbase "${options[@]}" "$suite" "$root" "$mirror" "${script[@]}"

  # Start no service, make no cluster while installing.
  printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
  chmod +x "$root/usr/sbin/policy-rc.d"
  mkdir -p "$root/etc/postgresql-common"
  echo 'create_main_cluster = false' >"$root/etc/postgresql-common/createcluster.conf"
  # A mirror that lags behind a moving release is good enough.
  echo 'Acquire::Check-Valid-Until "false";' >"$root/etc/apt/apt.conf.d/scratch"
  available "${as_root[@]}" "$root" apt-get update
  extension=$("${as_root[@]}" "$root" apt-cache pkgnames postgresql- |
    grep -Ex 'postgresql-[0-9]+-timescaledb' | sort -V | tail -n 1) ||
    die "Debian $suite has no TimescaleDB" "$unavailable"
  available "${with_proc[@]}" "$root" "${as_root[@]}" "$root" apt-get install -y --no-install-recommends "$extension" "${@:2}"
  logged "${as_root[@]}" "$root" apt-get clean
  postgresql=${extension%-timescaledb}
  ln -s "/usr/lib/postgresql/${postgresql#postgresql-}/bin" "$root/opt/postgresql"
}

make() {
  local root=$1/root extension postgresql
  say "making the TimescaleDB server of Debian $suite (once, about a minute) ..."
  make_root "$root"
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
  echo "TimescaleDB $(version "$root" "$extension") Apache, PostgreSQL $(version "$root" "$postgresql")" \
    >"$1/version"
}

serve() {
  pg_unlock "$1/root/$data"
  exec setsid "${as_postgres[@]}" "$1/root" postgres -D "/$data" -p "$2"
}

ready() { pg_ready "$1/root/$data"; }

# For dev/server.
own_servers() {
  outside=$1/root own=/var/lib/postgresql/own
  as_own=("${as_postgres[@]}" "$outside")
}
program() { "${as_own[@]}" "$@"; }
chown_own() { "${as_root[@]}" "$outside" chown postgres:postgres "$own"; }
