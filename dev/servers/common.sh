# shellcheck shell=bash disable=SC2154
# What dev/db, dev/server and dev/cluster share. Needs `state`, the folder of what they make, and `log`, the file for the output
# of what they run.

say() { printf 'dev/%s: %s\n' "${0##*/}" "$*" >&2; }
die() { say "$1"; exit "${2:-1}"; }
usage() { sed -n '2,/^set /{/^set /d; s/^# \{0,1\}//; p}' "$0"; }
has() { command -v "$1" >/dev/null; }

# logged COMMAND...: its output goes to the log of the kind, shown when it fails.
logged() {
  "$@" </dev/null >>"$log" 2>&1 && return
  say "failed: $*"
  tail -n 15 "$log" >&2
  die "the whole output is in $log"
}

can_install() { ((EUID == 0)) && has apt-get; }

# The lock is closed for apt-get: what it installs may start services.
install_packages() {
  say "installing $* ..."
  logged env DEBIAN_FRONTEND=noninteractive apt-get update 9>&-
  logged env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" 9>&-
}

install_build_tools() {
  can_install || return 0
  local missing=()
  has cc || missing+=(gcc libc6-dev)
  has pkg-config || missing+=(pkg-config)
  [[ -e /usr/include/postgresql/libpq-fe.h ]] || missing+=(libpq-dev)
  ((${#missing[@]} == 0)) || install_packages "${missing[@]}"
}

# The moment a process started: together with the pid it names one process.
started_at() {
  local stat
  # Not $(<…), which ends the shell where there is no such file.
  { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
  read -ra stat <<<"${stat##*) }" # from the third field on: the state
  [[ ${stat[0]} != Z ]] && echo "${stat[19]}"
}

# Looks at the kernel's table instead of connecting, which would disturb a
# server that takes one client at a time.
listening() { grep -q ": 0100007F:$(printf %04X "$1") 00000000:0000 0A " /proc/net/tcp; }

# pg_unlock DATA: a server that was killed and that nobody has waited for (in a
# container without an init) still has its pid, and would keep the next from
# starting. Only the pid goes: the rest of the file shows what still uses the data.
pg_unlock() {
  local lines
  { mapfile -t lines <"$1/postmaster.pid"; } 2>/dev/null || return 0
  started_at "${lines[0]}" >/dev/null || printf '%s\n' 999999999 "${lines[@]:1}" >"$1/postmaster.pid"
}

# What a server would keep open for as long as it runs: the lock, and the pipes
# of whoever runs dev/db.
close_inherited() {
  local fd
  for fd in /proc/self/fd/*; do
    fd=${fd##*/}
    ((fd <= 2 || fd == 255)) || exec {fd}>&- # 255 is bash's own
  done
}

lock() {
  mkdir -p "$state"
  exec 9>"$state/$1.lock"
  flock -n 9 || { say "waiting for another dev/${0##*/} ..."; flock 9; }
}

# family PID: it and its children, which have process groups of their own.
family() {
  local children=
  { read -r children <"/proc/$1/task/$1/children"; } 2>/dev/null || true
  echo "$1 $children"
}

# kill_family PID SIGNAL: it is stopped first, so that it starts nothing meanwhile. Those that are killed are waited for: a
# process ends some time after its signal, and until then PostgreSQL takes its data for in use.
kill_family() {
  local all pid i
  kill -STOP "$1" 2>/dev/null || return 0
  read -ra all <<<"$(family "$1")"
  kill "-$2" "${all[@]}" 2>/dev/null || true
  [[ $2 == KILL ]] || return 0
  for pid in "${all[@]}"; do
    for ((i = 0; i < 1000; i++)); do
      started_at "$pid" >/dev/null || break
      sleep 0.01
    done
  done
}
