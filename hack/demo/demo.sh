#!/usr/bin/env bash
# The walkthrough on a real Vault and a real Kubernetes API: from an uninitialized
# Vault to a synced Secret, then rotated, broken, diagnosed and mended. Run by
# `make demo`; every command is printed before its output.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
dir=$(mktemp -d)
manifests=$root/testdata/walkthrough
started=$SECONDS
passed=()

# shellcheck source=hack/demo/steps.sh
. "$root/hack/demo/steps.sh"
ready_is() { [ "$(kubectl -n apps get externalsecret authelia-secrets -o 'jsonpath={.status.conditions[0].status}')" = "$1" ]; }
secret_is() { [ "$(kubectl -n apps get secret authelia-secrets -o 'jsonpath={.data.hmac-secret}' | base64 -d)" = "$(cat "$1")" ]; }

step "A real etcd, kube-apiserver and Vault; our controller under its own ServiceAccount"
run "$root/bin/sandbox" up --dir "$dir/sandbox" --vault=uninitialized --controller
# shellcheck disable=SC1091
. "$dir/sandbox/env"
# The plugin finds Vault by itself, through its Pod; only vault's own client is told
# where it is.
address=$VAULT_ADDR
unset VAULT_ADDR
vault() { VAULT_ADDR=$address command vault "$@"; }
run kubectl get pods -n vault
run kubectl get crds -o name

step "2 · Initialize and unseal Vault"
run kubectl vaultsecret init --key-shares 5 --key-threshold 3 --output-file "$dir/init.json" --non-interactive
ls -l "$dir/init.json"
run_fails 2 kubectl vaultsecret unseal --status
run kubectl vaultsecret unseal --key-file "$dir/init.json" --non-interactive
run kubectl vaultsecret unseal --status
sed -n 's/.*"root_token": *"\([^"]*\)".*/\1/p' "$dir/init.json" | tr -d '\n' >"$dir/token"
VAULT_TOKEN=$(cat "$dir/token")
export VAULT_TOKEN
done_step "init and unseal through the plugin"

step "3 · Enable KV v2 and write a secret"
run vault secrets enable -path=secret kv-v2
random >"$dir/first"
run vault kv put secret/authelia hmac-secret=@"$dir/first"
done_step "a secret in Vault"

step "5 · The token Secret and the ClusterSecretStore, unchanged from Git"
run kubectl create namespace external-secrets
run kubectl -n external-secrets create secret generic vault-token --from-file=token="$dir/token"
run kubectl apply -f "$manifests/cluster-secret-store.yaml"
run kubectl wait --for=condition=Ready --timeout=30s clustersecretstore/vault
done_step "a valid store"

step "6 · The first ExternalSecret: Merge into a Secret that exists"
run kubectl create namespace apps
run kubectl -n apps create secret generic authelia-secrets --from-literal=log-level=debug
run kubectl apply -f "$manifests/external-secret.yaml"
until_true secret_is "$dir/first"
until_true ready_is True

step "7 · Verify"
run kubectl -n apps get externalsecret
run kubectl vaultsecret status -n apps
say "The keys of the Secret (log-level was there before):"
run kubectl -n apps get secret authelia-secrets -o 'go-template={{range $k, $v := .data}}{{$k}}{{"\n"}}{{end}}'
secret_is "$dir/first" && say "hmac-secret equals what Vault holds."
done_step "the Secret is in the cluster, the key that was there before is kept"

step "8 · Break it, four ways; diagnose finds the cause; mend it"
say "Point 2: Vault is sealed."
run vault operator seal
run_fails 2 kubectl vaultsecret sync-now -n apps authelia-secrets --timeout 20s
run_fails 2 kubectl vaultsecret diagnose -n apps authelia-secrets
run kubectl vaultsecret unseal --key-file "$dir/init.json" --non-interactive
until_true ready_is True
say "Back by itself."

say "Point 3: somebody deletes the token Secret."
run kubectl -n external-secrets delete secret vault-token
until_true ready_is False
run_fails 2 kubectl vaultsecret diagnose -n apps authelia-secrets
run kubectl -n external-secrets create secret generic vault-token --from-file=token="$dir/token"
until_true ready_is True
say "Back by itself."

say "Point 4: somebody deletes the path."
run vault kv delete secret/authelia
run_fails 2 kubectl vaultsecret sync-now -n apps authelia-secrets --timeout 20s
run_fails 2 kubectl vaultsecret diagnose -n apps authelia-secrets
secret_is "$dir/first" && say "The Secret was not touched."
run vault kv undelete -versions=1 secret/authelia
run kubectl vaultsecret sync-now -n apps authelia-secrets

say "Point 1: the store is gone."
run kubectl delete clustersecretstore vault
until_true ready_is False
run_fails 2 kubectl vaultsecret diagnose -n apps authelia-secrets
run kubectl apply -f "$manifests/cluster-secret-store.yaml"
until_true ready_is True
run kubectl vaultsecret diagnose -n apps authelia-secrets
done_step "four faults found by diagnose, each mended, the Secret never lost"

step "9 · Rotate in Vault; the Secret follows"
random >"$dir/second"
run vault kv put secret/authelia hmac-secret=@"$dir/second"
run kubectl vaultsecret sync-now -n apps authelia-secrets
secret_is "$dir/second" && say "The Secret holds the new value."
run kubectl vaultsecret status -n apps
done_step "rotated without a redeployment"

step "Summary"
for line in "${passed[@]}"; do printf '✔ %s\n' "$line"; done
printf '%d of 6 parts passed in %ds.\n' "${#passed[@]}" "$((SECONDS - started))"
[ "${#passed[@]}" -eq 6 ]
