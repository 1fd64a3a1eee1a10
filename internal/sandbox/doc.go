// Package sandbox starts a real etcd, kube-apiserver, kube-controller-manager and
// Vault on this machine, with Nodes and Pods by kwok, for tests and demos.
//
// Rules: every port is a free one, so that sandboxes run side by side; everything
// lives in one directory; what was started is what is stopped, and nothing else; a
// part that fails is named together with the end of its log. None of this is ever
// part of the product.
package sandbox
