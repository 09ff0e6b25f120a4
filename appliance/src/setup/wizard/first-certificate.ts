import 'reflect-metadata'
import { webcrypto } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { hostname, networkInterfaces } from 'node:os'
import { X509CertificateGenerator, ExtendedKeyUsageExtension, BasicConstraintsExtension } from '@peculiar/x509'
import { algorithm, forNames, keepFiles, pemOf, serial, serverAuth } from '../tls/certificate-parts.ts'

/** Browsers refuse self-signed certificates of more than 825 days; ours is replaced long before. */
const validDays = 397

/**
 * The certificate of the first boot: one key of this machine, unknown to all others (I1), for its addresses and names. Dated
 * from `notBefore`, which is the build's time: a clock that is behind must not make it invalid.
 */
export async function makeFirstCertificate(options: {
  names: readonly string[]
  notBefore: Date
}): Promise<{ certificate: string; key: string }> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const certificate = await X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: serial(),
      name: 'CN=Freehold first boot',
      notBefore: options.notBefore,
      notAfter: new Date(options.notBefore.getTime() + validDays * 86_400_000),
      signingAlgorithm: algorithm,
      keys,
      extensions: [
        new BasicConstraintsExtension(false, undefined, true),
        new ExtendedKeyUsageExtension([serverAuth], false),
        forNames(options.names),
      ],
    },
    webcrypto,
  )
  return { certificate: `${certificate.toString('pem')}\n`, key: pemOf(keys.privateKey) }
}

/** Makes the certificate once; a later start finds it. The key is of mode 0640 (Caddy is in the daemon's group) and there before the certificate. */
export async function openFirstCertificate(
  files: { certificate: string; key: string },
  options: Parameters<typeof makeFirstCertificate>[0],
): Promise<string> {
  const present = await readFile(files.certificate, 'utf8').catch(() => undefined)
  if (present !== undefined) return present
  const made = await makeFirstCertificate(options)
  await keepFiles(
    [
      [files.key, made.key, 0o640],
      [files.certificate, made.certificate, 0o644],
    ],
    0o755,
  )
  return made.certificate
}

/** What browsers may open this machine by before it has a name of its own. */
export function ownCertificateNames(): string[] {
  const name = hostname().toLowerCase()
  const addresses = Object.values(networkInterfaces()).flatMap((list) =>
    (list ?? []).filter((one) => !one.internal && !one.address.startsWith('fe80')).map((one) => one.address),
  )
  return [...new Set(['localhost', name, `${name.split('.')[0]}.local`, ...addresses])]
}
