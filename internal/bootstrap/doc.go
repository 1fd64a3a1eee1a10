// Package bootstrap takes Vault from empty to serving: init and unseal, as state
// machines that need no terminal.
//
// Rules: a share is sent to Vault and nowhere else; the file that keeps what init
// returns exists on disk before Vault is asked; after every answer nonce and progress
// are compared, so that another person's reset is noticed; every error says what
// state was left.
package bootstrap
