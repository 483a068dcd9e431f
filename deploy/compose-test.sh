#!/usr/bin/env bash
# Runs the node as people run it: by the image and the compose files, with an engine of its own, to the end of a story.
# Builds the image, starts, sets up by the link, adds a document, an app with a grant, a second device in another container
# and a blind replica, is killed, goes on, is upgraded to another image, and stops. Where no engine can run it says so in
# one line, and skips.
# usage: deploy/compose-test.sh BINARY FOLDER
set -euo pipefail
cd "$(dirname "$0")/.."
binary=$(realpath "${1:?a binary}") folder=${2:?where to}

skip() {
  echo "compose-test is skipped: $1"
  exit 0
}

[ "$(id -u)" = 0 ] || skip "an engine of its own needs root"
for tool in dockerd docker-compose curl python3; do
  command -v "$tool" >/dev/null && continue
  command -v apt-get >/dev/null || skip "there is no $tool"
  echo "installing docker.io and docker-compose" >&2
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    docker.io docker-compose iptables curl python3; } >/dev/null 2>&1 || skip "docker.io and docker-compose cannot be installed"
done

mkdir -p "$folder"
work=$(mktemp -d "$(realpath "$folder")/run.XXXXXX")
# Sockets have short paths.
run=$(mktemp -d /tmp/allod-engine.XXXXXX)
export DOCKER_HOST=unix://$run/docker.sock DOCKER_CONFIG=$work/config COMPOSE_PROJECT_NAME=allodtest
mkdir -p "$DOCKER_CONFIG"
engine=
ended() {
  status=$?
  if [ -n "$engine" ]; then
    if [ $status != 0 ]; then docker ps -a >&2; docker logs allodtest_allod_1 2>&1 | tail -20 >&2; fi
    docker ps -aq | xargs -r docker rm -f >/dev/null 2>&1 || true
    docker network ls -q --filter type=custom | xargs -r docker network rm >/dev/null 2>&1 || true
    kill "$engine" 2>/dev/null && wait "$engine" 2>/dev/null || true
  fi
  umount "$run"/netns/* 2>/dev/null || true
  rm -rf "$run" "$work"
  exit $status
}
trap ended EXIT

dockerd --host "$DOCKER_HOST" --data-root "$work/data" --exec-root "$run" --pidfile "$run/pid" --iptables=false \
  --ip6tables=false --bridge=none --ip-forward=false >"$work/engine.log" 2>&1 &
engine=$!
for _ in $(seq 60); do
  docker info >/dev/null 2>&1 && break
  kill -0 "$engine" 2>/dev/null || break
  sleep 0.5
done
if ! docker info >/dev/null 2>&1; then
  skip "no engine runs here: $(grep -v '^time=.*level=info' "$work/engine.log" | tail -1)"
fi
echo "engine: Docker $(docker info --format '{{.ServerVersion}}, {{.Driver}}'), $(docker-compose --version)"

said() { printf '%s  %s\n' "$(date +%T)" "$1"; }
of() { python3 -c 'import json,sys; v=json.load(sys.stdin)
for k in sys.argv[1].split("."): v=v[int(k)] if k.isdigit() else v[k]
print(v)' "$1"; }
free() { python3 -c 'import socket; s=socket.socket(); s.bind(("",0)); print(s.getsockname()[1])'; }
must() { [ "$1" = "$2" ] || { echo "wrong: $3: got \`$1\`, want \`$2\`" >&2; exit 1; }; }

ALLOD_ENGINE=docker deploy/image.sh "$binary" "$work/image" allod:test
docker build --quiet --label next=yes --tag allod:test-next "$work/image/context" >/dev/null
said "built: $(docker image inspect allod:test --format '{{.Size}}') bytes, user $(docker image inspect allod:test --format '{{.Config.User}}')"

refusal=$(env -u ALLOD_URL docker-compose -f deploy/compose.yaml config 2>&1) && { echo "it starts without ALLOD_URL" >&2; exit 1; }
case "$refusal" in *"say how people reach the node"*) said "without ALLOD_URL it is refused" ;; *) echo "$refusal" >&2; exit 1 ;; esac

ALLOD_HTTPS_PORT=$(free) ALLOD_HTTP_PORT=$(free) ALLOD_P2P_PORT=$(free) ALLOD_REPLICA_PORT=$(free)
export ALLOD_HTTPS_PORT ALLOD_HTTP_PORT ALLOD_P2P_PORT ALLOD_REPLICA_PORT ALLOD_IMAGE=allod:test
export ALLOD_URL=https://localhost:$ALLOD_HTTPS_PORT
bridged=yes
docker network create allodtest_probe >/dev/null 2>&1 && docker network rm allodtest_probe >/dev/null || bridged=no

# The story, on one kind of network.
story() {
  local kind=$1 network=$2
  shift 2
  compose() { docker-compose "$@"; }
  local files=("$@")
  node() { docker-compose "${files[@]}" exec -T allod /allod "$@"; }
  ask() { curl -sS --fail-with-body --max-time 20 --cacert "$work/root.pem" "$@"; }

  docker-compose "${files[@]}" up -d >/dev/null 2>&1
  node healthcheck --before-setup --wait 30s >/dev/null
  said "$kind: started"
  local pid
  pid=$(docker inspect -f '{{.State.Pid}}' allodtest_allod_1)
  must "$(awk '/^Uid:/ {print $2} /^CapEff:/ {print $2} /^CapBnd:/ {print $2} /^NoNewPrivs:/ {print $2}' "/proc/$pid/status" | xargs)" \
    "10001 0000000000000000 0000000000000000 1" "user, capabilities and privileges of the process"
  must "$(docker inspect -f '{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.Privileged}}' allodtest_allod_1)" "true false" "the root"

  node tls root >"$work/root.pem" 2>/dev/null
  must "$(ask -o /dev/null -w '%{http_code}' "$ALLOD_URL/api/v1/spaces" 2>/dev/null || true)" 503 "before the set-up"
  local link token
  link=$(node setup-link)
  token=${link##*token=}
  must "$(ask -o /dev/null -w '%{http_code}' "$link")" 200 "the set-up page"
  ask -o /dev/null -H "Origin: $ALLOD_URL" --data-urlencode "token=$token" -d user=alice -d tenant=home \
    --data-urlencode 'password=correct horse battery staple' --data-urlencode 'password-again=correct horse battery staple' \
    "$ALLOD_URL/setup"
  node healthcheck >/dev/null
  said "$kind: set up by the link, over TLS"

  node client schema add 'type Book { title: String rating: Float }' >/dev/null
  node client query --json 'mutation { add_Book(input: {title: "Emma", rating: 4.5}) { _docID } }' >/dev/null
  local app
  app=$(node app add --json /dev/stdin <<<'{ "name": "Shelf", "redirect_uris": ["http://127.0.0.1:9999/callback"],
    "access": [{ "type": "allod_doc", "datatypes": ["Book"], "actions": ["read", "search"], "fields": { "allow": ["title"] } }] }' | of client_id)
  node grant add --json --user alice --app "$app" /dev/stdin >"$work/grant" <<<'{ "type": "allod_doc", "datatypes": ["Book"],
    "actions": ["read", "search"], "fields": { "allow": ["title"] }, "purpose": "Shows your books", "duration": "P30D" }'
  local token_of_app
  token_of_app=$(of access_token <"$work/grant")
  by_app() { ask -H "Authorization: Bearer $token_of_app" -H 'content-type: application/json' -d "{\"query\": \"$1\"}" "$ALLOD_URL/api/v1/graphql"; }
  must "$(by_app '{ Book { title } }' | of data.Book.0.title)" Emma "what the app reads"
  case "$(by_app '{ Book { rating } }' 2>&1 || true)" in *rating*) ;; *) echo "the app reads what was not granted" >&2; exit 1 ;; esac
  said "$kind: a document, and an app that reads what it was granted"

  local hardened=(--network "$network" --read-only --cap-drop ALL --security-opt no-new-privileges --volume allodtest_laptop:/data)
  node device invite --json | of code | docker run --rm -i "${hardened[@]}" allod:test device join - >/dev/null
  docker run -d --name allodtest_laptop "${hardened[@]}" --env ALLOD_P2P_LISTEN=/ip4/0.0.0.0/tcp/0 --env ALLOD_HTTP_LISTEN=127.0.0.1:0 \
    allod:test >/dev/null
  if [ "$kind" = bridge ]; then
    local account address
    account=$(node user list --json | of 0.user)
    docker-compose "${files[@]}" exec -T replica /allod replica allow "$account" >/dev/null
    address=$(docker logs allodtest_replica_1 2>&1 | sed -n 's/^Serving //p' | tail -1)
    node replica add "$address" >/dev/null
  fi
  node sync wait >/dev/null
  reads() { must "$("$@" client query --json '{ Book { title rating } }' | of data.Book.0.title)" Emma "the document, read by \`$*\`"; }
  reads docker exec allodtest_laptop /allod
  said "$kind: a second device in another container has it$([ "$kind" = bridge ] && echo ', and a blind replica')"

  kill -9 "$pid"
  for _ in $(seq 100); do
    [ "$(docker inspect -f '{{.State.Pid}} {{.State.Running}}' allodtest_allod_1)" != "$pid true" ] \
      && node healthcheck >/dev/null 2>&1 && break
    sleep 0.2
  done
  reads node
  must "$(by_app '{ Book { title } }' | of data.Book.0.title)" Emma "what the app reads after the kill"
  must "$(docker inspect -f '{{.RestartCount}}' allodtest_allod_1)" 1 "restarts by the engine"
  said "$kind: killed, started again by the engine, nothing lost"

  ALLOD_IMAGE=allod:test-next docker-compose "${files[@]}" up -d >/dev/null 2>&1
  node healthcheck --wait 30s >/dev/null
  must "$(docker inspect -f '{{index .Config.Labels "next"}}' allodtest_allod_1)" yes "the image after the upgrade"
  reads node
  node client query 'mutation { add_Book(input: {title: "Persuasion"}) { _docID } }' >/dev/null
  said "$kind: upgraded to another image, and it writes"

  local begun=$SECONDS
  docker-compose "${files[@]}" stop >/dev/null 2>&1
  must "$(docker inspect -f '{{.State.ExitCode}}' allodtest_allod_1)" 0 "the exit code of a stop"
  said "$kind: stopped within $((SECONDS - begun)) s"
  docker rm -f allodtest_laptop >/dev/null
  docker-compose "${files[@]}" down --volumes >/dev/null 2>&1
  docker volume rm allodtest_laptop >/dev/null
}

if [ "$bridged" = yes ]; then
  story bridge allodtest_default -f deploy/compose.yaml -f deploy/replica.yml
else
  said "there are no bridges on this kernel: on the network of the host alone"
fi
export ALLOD_HTTP_LISTEN=0.0.0.0:$ALLOD_HTTPS_PORT ALLOD_HTTP_REDIRECT_LISTEN=0.0.0.0:$ALLOD_HTTP_PORT
export ALLOD_P2P_LISTEN=/ip4/127.0.0.1/tcp/$ALLOD_P2P_PORT
story host host -f deploy/host.yml
said "all of it"
