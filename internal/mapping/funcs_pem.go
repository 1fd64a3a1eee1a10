package mapping

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"strings"
)

const (
	typeCertificate = "CERTIFICATE"
	typePrivateKey  = "PRIVATE KEY"
	typePublicKey   = "PUBLIC KEY"
)

func pemText(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// blocks is all PEM blocks of a text, whatever stands around them.
func blocks(text string) []*pem.Block {
	var all []*pem.Block
	// What stands ahead of the first block may look like the end of one and hide it.
	if begin := strings.Index(text, "-----BEGIN"); begin >= 0 {
		text = text[begin:]
	}
	for rest := []byte(text); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return all
		}
		all = append(all, block)
	}
}

// certificates parses every PEM block as a certificate.
func certificates(text string) ([]*x509.Certificate, error) { return parseAll(blocks(text)) }

// firstCertificate parses the first PEM block alone; a key may follow it.
func firstCertificate(text string) ([]*x509.Certificate, error) {
	all := blocks(text)
	return parseAll(all[:min(len(all), 1)])
}

func parseAll(all []*pem.Block) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	for _, block := range all {
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, faultf("", "a PEM block is no certificate")
		}
		certs = append(certs, cert)
	}
	if len(certs) == 0 {
		return nil, faultf("", "there is no certificate in PEM form")
	}
	return certs, nil
}

// filterPEM keeps the blocks of a type, upper and lower case alike. Text without any
// PEM block in it is an error unless it is empty.
func filterPEM(kind, text string) (string, error) {
	all := blocks(text)
	if len(all) == 0 && text != "" {
		return "", faultf("", "there is no PEM block")
	}
	var kept strings.Builder
	for _, block := range all {
		if strings.EqualFold(block.Type, kind) {
			_ = pem.Encode(&kept, block)
		}
	}
	return kept.String(), nil
}

// chain orders certificates from the leaf to the root by their key identifiers. It
// proves nothing about trust.
func chain(certs []*x509.Certificate) ([]*x509.Certificate, error) {
	issuers := make([]int, len(certs))
	isIssuer := make([]bool, len(certs))
	for i, cert := range certs {
		issuers[i] = -1
		for j, candidate := range certs {
			if i != j && bytes.Equal(cert.AuthorityKeyId, candidate.SubjectKeyId) {
				issuers[i], isIssuer[j] = j, true
				break
			}
		}
	}
	leaf := -1
	for i := range certs {
		switch {
		case isIssuer[i]:
		case leaf >= 0:
			return nil, faultf("", "there are several leaf certificates, or certificates that do not belong together")
		default:
			leaf = i
		}
	}
	var ordered []*x509.Certificate
	for i := leaf; i >= 0; i = issuers[i] {
		if len(ordered) == len(certs) {
			return nil, faultf("", "the certificates sign each other in a circle")
		}
		ordered = append(ordered, certs[i])
	}
	if len(ordered) == 0 {
		return nil, faultf("", "there is no leaf certificate")
	}
	return ordered, nil
}

// filterCertChain selects the leaf, the intermediates or the root of one chain;
// nothing when the chain has none.
func filterCertChain(which, text string) (string, error) {
	certs, err := certificates(text)
	if err != nil {
		return "", err
	}
	ordered, err := chain(certs)
	if err != nil {
		return "", err
	}
	var selected strings.Builder
	switch last := len(ordered) - 1; which {
	case "leaf":
		if !isRoot(ordered[0]) {
			selected.WriteString(pemText(typeCertificate, ordered[0].Raw))
		}
	case "intermediate":
		for _, cert := range ordered[1:] {
			if isRoot(cert) {
				break
			}
			selected.WriteString(pemText(typeCertificate, cert.Raw))
		}
	case "root":
		if isRoot(ordered[last]) {
			selected.WriteString(pemText(typeCertificate, ordered[last].Raw))
		}
	}
	return selected.String(), nil
}

func isRoot(cert *x509.Certificate) bool {
	return cert.AuthorityKeyId == nil || bytes.Equal(cert.AuthorityKeyId, cert.SubjectKeyId)
}

// certSANs lists the subject alternative names of the first certificate: DNS names,
// IP addresses, e-mail addresses, URIs.
func certSANs(text string) ([]string, error) {
	certs, err := firstCertificate(text)
	if err != nil {
		return nil, err
	}
	cert := certs[0]
	sans := append([]string{}, cert.DNSNames...)
	for _, ip := range cert.IPAddresses {
		sans = append(sans, ip.String())
	}
	sans = append(sans, cert.EmailAddresses...)
	for _, uri := range cert.URIs {
		sans = append(sans, uri.String())
	}
	return sans, nil
}
