# shellcheck shell=bash disable=SC2154
# The parts of dev/cluster: what is installed, how each is configured, started and ended.

cluster_recipe() { echo "$suite cluster 1"; }

make_programs() {
  # shellcheck disable=SC2034
  local extension postgresql
  make_root "$1" patroni python3-etcd etcd-server haproxy pgbouncer
  # Patroni's processes share semaphores there.
  chmod 1777 "$1/dev/shm"
}

ports() {
  local first
  first=$(<"$dir/ports")
  etcd_port=$first etcd_peer_port=$((first + 1))
  first_node_port=$((first + 2)) first_rest_port=$((first + 5))
  primary_port=$((first + 8)) replicas_port=$((first + 9)) pool_port=$((first + 10))
}

node_port() { echo $((first_node_port + ${1#node} - 1)); }
rest_port() { echo $((first_rest_port + ${1#node} - 1)); }
# HAProxy may accept a connection and lose the leader before it has led there: only the client ends that wait.
url() { echo "postgres://postgres@127.0.0.1:$1/postgres?sslmode=disable&connect_timeout=5"; }

# answers NODE PATH: whether Patroni's REST says yes to it within a second.
answers() {
  local line
  line=$(
    # shellcheck disable=SC2016
    timeout 1 bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$1" && printf "OPTIONS %s HTTP/1.0\r\n\r\n" "$2" >&3 && head -n 1 <&3' \
      bash "$(rest_port "$1")" "$2" 2>/dev/null
  ) && [[ $line == *" 200 "* ]]
}

# alive NAME: whether the process that was started under this name is there; sets pid.
alive() {
  local start
  { read -r pid start <"$dir/$1.run"; } 2>/dev/null && [[ $(started_at "$pid") == "$start" ]]
}

# From an inner shell, so that the process is no child of COMMAND.
launch() {
  local pid
  pid=$(
    (
      exec </dev/null >>"$dir/$1.log" 2>&1
      close_inherited
      cd / && exec setsid "${with_proc[@]}" "$root" "${as_postgres[@]}" "$root" "${commands[$1]}" "$data/$1.conf"
    ) &
    echo $!
  )
  # The pid stays through every exec.
  echo "$pid $(started_at "$pid")" >"$dir/$1.run"
}

declare -A commands=(
  [node1]=/usr/bin/patroni [node2]=/usr/bin/patroni [node3]=/usr/bin/patroni
  [etcd]=/opt/etcd [haproxy]=/opt/haproxy [pgbouncer]=/usr/sbin/pgbouncer
)

kill_postgres() {
  local postmaster
  { read -r postmaster <"$root$data/$1/postmaster.pid"; } 2>/dev/null || return 0
  [[ $(readlink "/proc/$postmaster/exe") == */bin/postgres ]] || return 0
  kill_family "$postmaster" "$2"
}

# kill_all NAME SIGNAL: of a node, Patroni is stopped first, so that it does not start PostgreSQL again.
kill_all() {
  local pid
  if alive "$1"; then
    kill -STOP "$pid"
    [[ $1 != node* ]] || kill_postgres "$1" "$2"
    kill_family "$pid" "$2"
    [[ $2 != KILL ]] || rm -f "$dir/$1.run"
  elif [[ $1 == node* ]]; then
    kill_postgres "$1" "$2"
  fi
}

start_node() {
  if alive "$1"; then
    kill_postgres "$1" CONT
    # shellcheck disable=SC2046
    kill -CONT $(family "$pid")
  else
    pg_unlock "$root$data/$1"
    launch "$1"
  fi
}

switchover() {
  "${with_proc[@]}" "$root" "${as_postgres[@]}" "$root" patronictl -c "$data/$(leader).conf" switchover occupancy --force
}

write_configurations() {
  local node
  rm -f "$dir"/*.log
  mkdir -p "$root$data"
  cat >"$root/opt/etcd" <<END
#!/bin/sh
exec etcd --name etcd --data-dir $data/etcd \
  --listen-client-urls http://127.0.0.1:$etcd_port --advertise-client-urls http://127.0.0.1:$etcd_port \
  --listen-peer-urls http://127.0.0.1:$etcd_peer_port --initial-advertise-peer-urls http://127.0.0.1:$etcd_peer_port \
  --initial-cluster etcd=http://127.0.0.1:$etcd_peer_port --unsafe-no-fsync
END
  cat >"$root/opt/haproxy" <<'END'
#!/bin/sh
exec haproxy -db -f "$1"
END
  chmod +x "$root/opt/etcd" "$root/opt/haproxy"
  for node in "${nodes[@]}"; do patroni_configuration "$node" >"$root$data/$node.conf"; done
  haproxy_configuration >"$root$data/haproxy.conf"
  pgbouncer_configuration >"$root$data/pgbouncer.conf"
  printf '"postgres" ""\n' >"$root$data/users"
  "${as_root[@]}" "$root" chown -R postgres:postgres "$data"
}

# A replica takes over at once when PostgreSQL of the leader dies (primary_start_timeout), and after ttl when its
# Patroni is gone as well.
patroni_configuration() {
  cat <<END
scope: occupancy
name: $1
restapi: {listen: '127.0.0.1:$(rest_port "$1")', connect_address: '127.0.0.1:$(rest_port "$1")'}
etcd3: {host: '127.0.0.1:$etcd_port'}
bootstrap:
  dcs:
    ttl: 20
    loop_wait: 2
    retry_timeout: 5
    synchronous_mode: true
    primary_start_timeout: 0
    postgresql:
      use_pg_rewind: true
      parameters: {wal_log_hints: 'on', max_connections: 100, max_locks_per_transaction: 1024, wal_keep_size: 512MB}
  initdb: [{encoding: UTF8}, {locale: C.UTF-8}]
postgresql:
  listen: 127.0.0.1:$(node_port "$1")
  connect_address: 127.0.0.1:$(node_port "$1")
  data_dir: $data/$1
  bin_dir: /opt/postgresql
  pgpass: $data/$1.pgpass
  authentication: {superuser: {username: postgres}, replication: {username: postgres}}
  pg_hba: ['host all all 127.0.0.1/32 trust', 'host replication all 127.0.0.1/32 trust']
  # Not to wait for a checkpoint, which takes minutes.
  basebackup: [{checkpoint: fast}]
  # A node that cannot be rewound is copied anew.
  remove_data_directory_on_rewind_failure: true
  remove_data_directory_on_diverged_timelines: true
  parameters:
    unix_socket_directories: ''
    shared_preload_libraries: timescaledb
    timescaledb.license: apache
    timescaledb.telemetry_level: 'off'
    timescaledb.max_background_workers: 0
    dynamic_shared_memory_type: mmap
    shared_buffers: 128MB
    max_wal_size: 2GB
    # The machine is not switched off in a test; synchronous_commit stays on.
    fsync: 'off'
    timezone: UTC
    log_timezone: UTC
END
}

haproxy_configuration() {
  local node port role
  cat <<END
global
  maxconn 1000
defaults
  mode tcp
  timeout connect 2s
  retries 1
  option redispatch
  timeout client 1h
  timeout server 1h
  timeout check 1s
END
  for role in primary replica; do
    port=$primary_port
    [[ $role == primary ]] || port=$replicas_port
    cat <<END
listen $role
  bind 127.0.0.1:$port
  option httpchk OPTIONS /$role
  http-check expect status 200
  default-server inter 500ms fall 2 rise 1 on-marked-down shutdown-sessions
END
    for node in "${nodes[@]}"; do
      echo "  server $node 127.0.0.1:$(node_port "$node") check port $(rest_port "$node")"
    done
  done
}

pgbouncer_configuration() {
  cat <<END
[databases]
* = host=127.0.0.1 port=$primary_port
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $pool_port
unix_socket_dir =
auth_type = trust
auth_file = $data/users
auth_user = postgres
auth_dbname = postgres
auth_query = SELECT usename, passwd FROM pg_shadow WHERE usename = \$1
pool_mode = transaction
max_prepared_statements = 200
max_client_conn = 500
default_pool_size = 10
# Not 15 s until the next attempt, once the leader is away.
server_login_retry = 1
END
}
