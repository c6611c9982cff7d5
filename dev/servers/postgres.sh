# shellcheck shell=bash disable=SC2154
# The PostgreSQL of this machine, in a cluster of its own.

# The newest that Debian's packages have, or else the one on PATH.
bin() {
  local found
  found=$(printf '%s\n' /usr/lib/postgresql/*/bin/initdb | sort -V | tail -n 1)
  [[ -x $found ]] || found=$(command -v initdb) || return 1
  found=$(readlink -f "$found")
  echo "${found%/*}"
}

# PostgreSQL does not run as root, and its user may not reach root's cache: for
# root the data are elsewhere, under a name of their own for each cache.
data() {
  if ((EUID == 0)); then
    echo "/var/lib/occupancy-models/$(cksum <<<"$state" | cut -d ' ' -f 1)"
  else
    echo "$state/postgres/data"
  fi
}

as_postgres=(env -i PATH="$PATH" LC_ALL=C)
((EUID != 0)) || as_postgres+=(setpriv --reuid=postgres --regid=postgres --init-groups)

# A cluster fits one PostgreSQL only; and root's may have gone without its cache.
recipe() {
  bin || echo none
  ((EUID != 0)) || [[ -d $(data) ]] || echo absent
}

make() {
  local data
  bin >/dev/null || ! can_install || install_packages postgresql
  bin >/dev/null || die "missing PostgreSQL's initdb: install the postgresql package, or put its bin folder on PATH"
  ((EUID != 0)) || id postgres >/dev/null 2>&1 || die "missing the user postgres, as whom root runs PostgreSQL: make it with useradd --system postgres"
  say "making the PostgreSQL server (once, some seconds) ..."
  data=$(data)
  if ((EUID == 0)); then
    rm -rf --one-file-system "$data"
    install -d "${data%/*}"
    install -d -o postgres -g postgres -m 700 "$data"
  else
    data=$1/data
  fi
  # Where the user postgres may be; back for the command.
  pushd / >/dev/null
  logged "${as_postgres[@]}" "$(bin)/initdb" --pgdata="$data" --username=postgres --auth=trust --encoding=UTF8 --locale=C.UTF-8
  popd >/dev/null || return
  cat "$here/servers/scratch.conf" >>"$data/postgresql.conf"
  "$(bin)/postgres" --version >"$1/version"
}

serve() {
  pg_unlock "$(data)"
  exec setsid "${as_postgres[@]}" "$(bin)/postgres" -D "$(data)" -p "$2"
}

ready() { pg_ready "$(data)"; }

# For dev/server.
# shellcheck disable=SC2034
own_servers() {
  outside='' own=$(data)-own
  as_own=(env -i PATH="$(bin):$PATH" LC_ALL=C)
  ((EUID != 0)) || as_own+=(setpriv --reuid=postgres --regid=postgres --init-groups)
}
program() { (cd / && "${as_own[@]}" "$@"); }
chown_own() { ((EUID != 0)) || chown postgres: "$1"; }
