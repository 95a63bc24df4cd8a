//! TLS for connections to PostgreSQL: which certificates are accepted in which mode, and the client's own.

use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_platform_verifier::Verifier;
use tokio_postgres::config;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::address::error::AddressError;
use super::address::options::{Name, SslMode};
use super::address::settings::Settings;
use super::files::{self, Privacy};

/// How the connection to a host is protected.
#[derive(Clone)]
pub(super) struct Protection {
    /// The mode of the driver that is tried first, if there are two.
    pub(super) first: Option<config::SslMode>,
    /// The mode of the driver that is tried last.
    pub(super) last: config::SslMode,
    /// None for connections without TLS.
    pub(super) tls: Option<MakeRustlsConnect>,
}

impl Protection {
    pub(super) fn new(mode: SslMode, files: &Files) -> Result<Self, AddressError> {
        use config::SslMode::{Disable, Prefer, Require};
        let (first, last) = match mode {
            SslMode::Disable => return Ok(Self { first: None, last: Disable, tls: None }),
            SslMode::Allow => (Some(Disable), Require),
            SslMode::Prefer => (Some(Prefer), Disable),
            SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => (None, Require),
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier: Arc<dyn ServerCertVerifier> = match (mode, &files.roots) {
            (SslMode::VerifyFull, Roots::Listed(roots)) => {
                WebPkiServerVerifier::builder_with_provider(roots.clone(), provider.clone()).build().map_err(tls)?
            }
            (SslMode::VerifyFull, Roots::System | Roots::None) => {
                Arc::new(Verifier::new(provider.clone()).map_err(tls)?)
            }
            (_, Roots::System) => return Err(AddressError::WeakSystem),
            (SslMode::VerifyCa, Roots::None) => return Err(AddressError::NoRoots),
            (_, Roots::Listed(roots)) => Arc::new(Nameless { roots: Some(roots.clone()), provider: provider.clone() }),
            (_, Roots::None) => Arc::new(Nameless { roots: None, provider: provider.clone() }),
        };
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.map_err(tls)?.dangerous().with_custom_certificate_verifier(verifier);
        let config = match &files.identity {
            Some((chain, key)) => builder.with_client_auth_cert(chain.clone(), key.clone_key()).map_err(tls)?,
            None => builder.with_no_client_auth(),
        };
        Ok(Self { first, last, tls: Some(MakeRustlsConnect::new(config)) })
    }
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn tls(error: impl std::fmt::Display) -> AddressError {
    AddressError::Tls(error.to_string())
}

/// The authorities whose certificates are accepted.
enum Roots {
    /// The address names none.
    None,
    /// Those of the system.
    System,
    /// Those in a file.
    Listed(Arc<RootCertStore>),
}

/// The files of an address for TLS.
pub(super) struct Files {
    roots: Roots,
    /// The client's certificate, with those that lead to its authority, and its key.
    identity: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
}

impl Files {
    pub(super) fn read(settings: &Settings) -> Result<Self, AddressError> {
        let roots = match settings.get("sslrootcert") {
            None => Roots::None,
            Some(setting) if setting.value == "system" => Roots::System,
            Some(setting) => {
                let mut roots = RootCertStore::empty();
                for certificate in read_certificates(setting.name, &setting.value)? {
                    let added = roots.add(certificate);
                    added.map_err(|error| refuse(setting.name, &setting.value, &error.to_string()))?;
                }
                Roots::Listed(Arc::new(roots))
            }
        };
        let identity = match (settings.get("sslcert"), settings.get("sslkey")) {
            (None, None) => None,
            (Some(certificate), Some(key)) => {
                let chain = read_certificates(certificate.name, &certificate.value)?;
                let pem = files::read_existing(key.name, Path::new(&key.value), Privacy::OwnerOrRootsGroup)?;
                let secret = PrivateKeyDer::from_pem_slice(&pem);
                let why = "it has no key in PEM that is not encrypted";
                Some((chain, secret.map_err(|_| refuse(key.name, &key.value, why))?))
            }
            _ => return Err(AddressError::HalfIdentity),
        };
        Ok(Self { roots, identity })
    }

    /// Whether the authorities of the system are asked for.
    pub(super) fn are_systems(&self) -> bool {
        matches!(self.roots, Roots::System)
    }

    /// Whether a file has the authorities.
    pub(super) fn have_roots(&self) -> bool {
        matches!(self.roots, Roots::Listed(_))
    }
}

fn read_certificates(setting: Name, path: &str) -> Result<Vec<CertificateDer<'static>>, AddressError> {
    let pem = files::read_existing(setting, Path::new(path), Privacy::Public)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let certificates = certificates.map_err(|error| refuse(setting, path, &error.to_string()))?;
    if certificates.is_empty() {
        return Err(refuse(setting, path, "it has no certificate in PEM"));
    }
    Ok(certificates)
}

fn refuse(setting: Name, path: &str, why: &str) -> AddressError {
    AddressError::File { setting, path: path.into(), why: format!("which cannot be used: {why}") }
}

/// Accepts a certificate for any name. The server must have its key.
#[derive(Debug)]
struct Nameless {
    /// The authorities, one of which must have signed the certificate. None accepts any certificate.
    roots: Option<Arc<RootCertStore>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Nameless {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if let Some(roots) = &self.roots {
            let certificate = ParsedCertificate::try_from(end_entity)?;
            let algorithms = self.provider.signature_verification_algorithms.all;
            verify_server_cert_signed_by_trust_anchor(&certificate, roots, intermediates, now, algorithms)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// What an operator can do about a certificate that is not accepted.
pub(super) fn advice(error: &rustls::Error) -> Option<&'static str> {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            Some("no authority that is trusted here signed it: give the file of your own with sslrootcert")
        }
        // Only the text tells, because the error's type is of webpki, which is no dependency of ours.
        rustls::Error::InvalidCertificate(CertificateError::Other(error))
            if error.to_string().contains("CaUsedAsEndEntity") =>
        {
            Some("it is the certificate of an authority: let that sign another one for the server")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair};

    use super::*;

    fn self_signed(name: &str, is_authority: bool) -> CertificateDer<'static> {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        if is_authority {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    /// Checks a certificate for a name, with and without the name.
    fn check(
        certificate: &CertificateDer<'_>,
        root: &CertificateDer<'static>,
        name: &str,
    ) -> [Result<(), rustls::Error>; 2] {
        let mut roots = RootCertStore::empty();
        roots.add(root.clone()).unwrap();
        let (roots, provider) = (Arc::new(roots), Arc::new(rustls::crypto::ring::default_provider()));
        let full = WebPkiServerVerifier::builder_with_provider(roots.clone(), provider.clone()).build().unwrap();
        let nameless = Nameless { roots: Some(roots), provider };
        let name = ServerName::try_from(name).unwrap();
        let verify = |verifier: &dyn ServerCertVerifier| {
            verifier.verify_server_cert(certificate, &[], &name, &[], UnixTime::now()).map(|_| ())
        };
        [verify(&*full), verify(&nameless)]
    }

    #[test]
    fn a_certificate_that_signed_itself_is_accepted_if_it_is_trusted_and_no_authority() {
        let server = self_signed("db.test", false);
        assert_eq!(check(&server, &server, "db.test"), [Ok(()), Ok(())]);
        let [full, nameless] = check(&server, &server, "other.test");
        assert!(full.is_err() && nameless.is_ok());
        for refused in check(&server, &self_signed("other.test", false), "db.test") {
            assert!(advice(&refused.unwrap_err()).unwrap().contains("sslrootcert"));
        }
        let authority = self_signed("db.test", true);
        for refused in check(&authority, &authority, "db.test") {
            assert!(advice(&refused.unwrap_err()).unwrap().contains("of an authority"));
        }
    }
}
