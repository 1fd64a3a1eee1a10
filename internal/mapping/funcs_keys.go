package mapping

import (
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"hash"

	"github.com/go-jose/go-jose/v4"
)

// jwkPublicKeyPEM turns a JSON web key into a PKIX public key in PEM. Of a private
// key it takes the public half.
func jwkPublicKeyPEM(text string) (string, error) {
	key, err := webKey(text)
	if err != nil {
		return "", err
	}
	public := key.Public()
	der, err := x509.MarshalPKIXPublicKey(public.Key)
	if err != nil {
		return "", faultf("", "the JSON web key is no public key of a kind that PEM can hold")
	}
	return pemText(typePublicKey, der), nil
}

// jwkPrivateKeyPEM turns a private JSON web key into PKCS#8 PEM.
func jwkPrivateKeyPEM(text string) (string, error) {
	key, err := webKey(text)
	if err != nil {
		return "", err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key.Key)
	if err != nil {
		return "", faultf("", "the JSON web key is no private key of a kind that PEM can hold")
	}
	return pemText(typePrivateKey, der), nil
}

func webKey(text string) (jose.JSONWebKey, error) {
	var key jose.JSONWebKey
	if len(text) > 1<<15 || key.UnmarshalJSON([]byte(text)) != nil {
		return key, faultf("", "it is no JSON web key")
	}
	return key, nil
}

// rsaDecrypt decrypts by RSA-OAEP; scheme None returns the text as it is.
func rsaDecrypt(scheme, hashName, ciphertext, keyPEM string) (string, error) {
	switch scheme {
	case "None":
		return ciphertext, nil
	case "RSA-OAEP":
	default:
		return "", faultf("", "the scheme is not supported; use RSA-OAEP or None")
	}
	parsed, err := privateKey(keyPEM)
	if err != nil {
		return "", err
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return "", faultf("", "the private key is no RSA key")
	}
	plain, err := rsa.DecryptOAEP(hashNamed(hashName), nil, key, []byte(ciphertext), nil)
	if err != nil {
		return "", faultf("", "RSA-OAEP decryption failed; the key, the hash or the ciphertext is wrong")
	}
	return string(plain), nil
}

// hashNamed takes SHA256 for None and for every name that it does not know, as ESO
// does.
func hashNamed(name string) hash.Hash {
	switch name {
	case "SHA1":
		return sha1.New()
	case "SHA512":
		return sha512.New()
	}
	return sha256.New()
}
