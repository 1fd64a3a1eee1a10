// Package gather collects the facts that the look-commands judge and print: about
// mappings, their stores, the Vault behind them, and the Secrets in front.
//
// Rules: reads only, with the caller's own rights in Kubernetes and the store's own
// credential in Vault, never more; what several mappings share is looked up once;
// every lookup has its own time limit; a lookup that fails makes its facts unknown
// with the reason, and stops nothing else. No value of a secret leaves the package.
package gather
