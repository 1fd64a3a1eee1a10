package mapping

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"strings"

	"software.sslmate.com/src/go-pkcs12"
)

var (
	errPKCS12  = &fault{detail: "it is no PKCS#12 file, or the password is wrong"}
	errNoKey   = &fault{detail: "there is no private key in PEM form that can be read"}
	errEncode  = &fault{detail: "it cannot be encoded as PKCS#12"}
	errKeySize = &fault{detail: "the RSA key is larger than 16384 bits"}
)

// pkcs12Key is the private key of a PKCS#12 file as PKCS#8 PEM.
func pkcs12Key(password, p12 string) (string, error) {
	key, _, _, err := pkcs12.DecodeChain([]byte(p12), password)
	if err != nil {
		return "", errPKCS12
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", errNoKey
	}
	return pemText(typePrivateKey, der), nil
}

// pkcs12Cert is the certificates of a PKCS#12 file as PEM: from leaf to root when
// they are one chain, else as found.
func pkcs12Cert(password, p12 string) (string, error) {
	_, leaf, others, err := pkcs12.DecodeChain([]byte(p12), password)
	if err != nil {
		return "", errPKCS12
	}
	certs := append([]*x509.Certificate{leaf}, others...)
	if ordered, err := chain(certs); err == nil {
		certs = ordered
	}
	var text strings.Builder
	for _, cert := range certs {
		text.WriteString(pemText(typeCertificate, cert.Raw))
	}
	return text.String(), nil
}

// leafToPKCS12 is base64 of a PKCS#12 file with the first certificate and its key.
func leafToPKCS12(cert, key, password string) (string, error) {
	certs, err := firstCertificate(cert)
	if err != nil {
		return "", err
	}
	return toPKCS12(certs, key, password)
}

// chainToPKCS12 has all certificates: the first is the leaf, the others are its CAs.
func chainToPKCS12(chain, key, password string) (string, error) {
	certs, err := certificates(chain)
	if err != nil {
		return "", err
	}
	return toPKCS12(certs, key, password)
}

func toPKCS12(certs []*x509.Certificate, key, password string) (string, error) {
	private, err := privateKey(key)
	if err != nil {
		return "", err
	}
	p12, err := pkcs12.Modern.Encode(private, certs[0], certs[1:], password)
	if err != nil {
		return "", errEncode
	}
	return base64.StdEncoding.EncodeToString(p12), nil
}

// trustStoreToPKCS12 is base64 of a PKCS#12 trust store of the certificates.
func trustStoreToPKCS12(certs, password string) (string, error) {
	parsed, err := certificates(certs)
	if err != nil {
		return "", err
	}
	p12, err := pkcs12.Modern.EncodeTrustStore(parsed, password)
	if err != nil {
		return "", errEncode
	}
	return base64.StdEncoding.EncodeToString(p12), nil
}

// privateKey reads the first PEM block as PKCS#1, PKCS#8 or SEC 1.
func privateKey(text string) (any, error) {
	all := blocks(text)
	if len(all) == 0 {
		return nil, errNoKey
	}
	if len(all[0].Bytes) > 1<<15 {
		return nil, errKeySize
	}
	if key, err := x509.ParsePKCS1PrivateKey(all[0].Bytes); err == nil {
		return sized(key)
	}
	if key, err := x509.ParsePKCS8PrivateKey(all[0].Bytes); err == nil {
		return sized(key)
	}
	if key, err := x509.ParseECPrivateKey(all[0].Bytes); err == nil {
		return key, nil
	}
	return nil, errNoKey
}

// sized refuses RSA keys that take minutes to use.
func sized(key any) (any, error) {
	if k, ok := key.(*rsa.PrivateKey); ok && k.N.BitLen() > 16384 {
		return nil, errKeySize
	}
	return key, nil
}
