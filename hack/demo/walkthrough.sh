#!/usr/bin/env bash
# The walkthrough on three raft servers of Vault with TLS and a private CA: from an
# uninitialized Vault to a Secret in the cluster under least privilege, rotated, and
# through the restart of a server. Run by `make walkthrough`; every command is printed
# before its output. docs/walkthrough.md is a recording of it (`make walkthrough-doc`).
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
dir=$(mktemp -d)
manifests=$root/testdata/walkthrough
passed=()
# shellcheck source=hack/demo/steps.sh
. "$root/hack/demo/steps.sh"
ready_is() { [ "$(kubectl -n apps get externalsecret authelia-secrets -o 'jsonpath={.status.conditions[0].status}')" = "$1" ]; }
in_cluster() { kubectl -n apps get secret authelia-secrets -o 'jsonpath={.data.hmac-secret}' | base64 -d; }
in_vault() { vault kv get -field=hmac-secret secret/authelia; }

step "A cluster, our controller, and three servers of Vault that nobody has spoken to"
run "$root/bin/sandbox" up --dir "$dir/sandbox" --vault=uninitialized --vault-nodes=3 --vault-tls --controller
# shellcheck disable=SC1091
. "$dir/sandbox/env"
# The plugin finds Vault by itself, through its Pods; only vault's own client is told
# where it is.
address=$VAULT_ADDR
unset VAULT_ADDR
vault() { VAULT_ADDR=$address command vault "$@"; }
cp "$VAULT_CACERT" "$dir/vault-ca.pem"
cd "$dir"
export VAULT_CACERT=vault-ca.pem
run kubectl get pods -n vault
run kubectl create namespace external-secrets

step "1 · Initialize, unseal"
run kubectl vaultsecret init --key-shares 5 --key-threshold 3 --output-file vault-init.json
run_fails 2 kubectl vaultsecret unseal --status
run kubectl vaultsecret unseal --key-file vault-init.json
run kubectl vaultsecret unseal --status
say "The root token is used twice: to set up, and to write the first secret."
sed -n 's/.*"root_token": *"\([^"]*\)".*/\1/p' vault-init.json >root-token
done_step "three servers initialized and unsealed from a laptop"

step "2 · A KV mount, an audit device, a policy, a login, a store"
run kubectl vaultsecret setup --path authelia --ca-cert vault-ca.pem --vault-token-file root-token --yes
run kubectl wait --for=condition=Ready --timeout=30s clustersecretstore/vault
run kubectl get clustersecretstore vault -o 'jsonpath={.spec.provider.vault.server}{"  "}{.spec.provider.vault.auth.appRole.secretRef}{"\n"}'
done_step "least privilege: one policy, one role, no root token in the cluster"

step "3 · A secret in Vault, and its mapping as it stands in Git"
VAULT_TOKEN=$(cat root-token)
export VAULT_TOKEN
head -c 32 /dev/urandom | base64 | tr -d '\n=+/' >value
run vault kv put secret/authelia hmac-secret=@value
run kubectl create namespace apps
run kubectl -n apps create secret generic authelia-secrets --from-literal=log-level=debug
run kubectl apply -f "$manifests/external-secret.yaml"
until_true ready_is True
run kubectl -n apps get externalsecret
run kubectl vaultsecret status -n apps
[ "$(in_cluster)" = "$(cat value)" ] && say "hmac-secret in the cluster equals what Vault holds; log-level is as it was."
say "What the mapping reads is what the policy allows, so setup has nothing to do:"
run kubectl vaultsecret setup
done_step "a synced Secret"

step "4 · Rotate"
run kubectl vaultsecret rotate -n apps authelia-secrets --key hmac-secret --generate 32 --yes
[ "$(in_cluster)" = "$(in_vault)" ] && [ "$(in_cluster)" != "$(cat value)" ] && say "The new value is in Vault and in the cluster."
run kubectl vaultsecret status -n apps --drift
done_step "a new value in Vault and in the cluster, by one command"

step "5 · A Pod of Vault restarts: its server is sealed, the others serve on"
run "$root/bin/sandbox" restart-vault --dir "$dir/sandbox" --node 2
run_fails 2 kubectl vaultsecret unseal --status
run kubectl vaultsecret sync-now -n apps authelia-secrets
run kubectl vaultsecret unseal --key-file vault-init.json
run kubectl vaultsecret unseal --status
say "All three restart: nothing serves, nothing is lost."
for node in 0 1 2; do run "$root/bin/sandbox" restart-vault --dir "$dir/sandbox" --node "$node"; done
run_fails 2 kubectl vaultsecret sync-now -n apps authelia-secrets --timeout 20s
run_fails 2 kubectl vaultsecret diagnose -n apps authelia-secrets --short
[ -n "$(in_cluster)" ] && say "The Secret is as it was."
run kubectl vaultsecret unseal --key-file vault-init.json
until_true ready_is True
run kubectl vaultsecret status -n apps
done_step "recovered from the restart of one server, and of all"

step "6 · A new secret_id, and the end of the root token"
run kubectl vaultsecret setup --rotate-secret-id --yes
run vault token revoke -self
unset VAULT_TOKEN
rm root-token
run kubectl vaultsecret sync-now -n apps authelia-secrets
run kubectl vaultsecret diagnose -n apps authelia-secrets
done_step "the cluster needs no root token"

step "Summary"
for line in "${passed[@]}"; do printf '✔ %s\n' "$line"; done
printf '%d of 6 parts passed.\n' "${#passed[@]}"
[ "${#passed[@]}" -eq 6 ]
