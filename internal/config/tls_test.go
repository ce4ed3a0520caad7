package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestClientConfigReadsTheCertificates(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	files := &TLS{CAFile: write("ca.pem", "CERTIFICATE", cert), CertFile: write("c.pem", "CERTIFICATE", cert), KeyFile: write("c.key", "PRIVATE KEY", der)}
	c, err := files.ClientConfig()
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(cert)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parsed.Verify(x509.VerifyOptions{Roots: c.RootCAs}); err != nil || len(c.Certificates) != 1 {
		t.Errorf("%v, %d client certificates", err, len(c.Certificates))
	}
	system, err := (&TLS{}).ClientConfig()
	if err != nil || system.RootCAs != nil || system.InsecureSkipVerify {
		t.Errorf("without files: %+v, %v", system, err)
	}
}
