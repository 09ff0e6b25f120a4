import 'reflect-metadata'
import { webcrypto, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { hostname, networkInterfaces } from 'node:os'
import { X509CertificateGenerator, ExtendedKeyUsageExtension, BasicConstraintsExtension } from '@peculiar/x509'
import { algorithm, forNames, keepFiles, pemOf, serial, serverAuth } from '../tls/certificate-parts.ts'

/** Browsers refuse self-signed certificates of more than 825 days; ours is replaced long before. */
const validDays = 397

/**
 * The certificate of the first boot: one key of this machine, unknown to all others (I1), for its addresses and names. Valid
 * from `notBefore` on.
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

/**
 * Makes the certificate once; a later start finds it, unless by its clock it is over or has not begun, as one of a first start with
 * a clock that was ahead. The key is of mode 0640 (Caddy is in the daemon's group) and there before the certificate.
 */
export async function openFirstCertificate(
  files: { certificate: string; key: string },
  { names, now }: { names: readonly string[]; now: Date },
): Promise<string> {
  const present = await readFile(files.certificate, 'utf8').catch(() => undefined)
  if (present !== undefined && isValidAt(present, now)) return present
  // a clock that is a little behind must not make it invalid
  const made = await makeFirstCertificate({ names, notBefore: new Date(now.getTime() - 86_400_000) })
  await keepFiles(
    [
      [files.key, made.key, 0o640],
      [files.certificate, made.certificate, 0o644],
    ],
    0o755,
  )
  return made.certificate
}

function isValidAt(certificate: string, now: Date): boolean {
  try {
    const { validFromDate, validToDate } = new X509Certificate(certificate)
    return validFromDate <= now && now < validToDate
  } catch {
    return false
  }
}

/** What browsers may open this machine by before it has a name of its own. */
export function ownCertificateNames(): string[] {
  const name = hostname().toLowerCase()
  const addresses = Object.values(networkInterfaces()).flatMap((list) =>
    (list ?? []).filter((one) => !one.internal && !one.address.startsWith('fe80')).map((one) => one.address),
  )
  return [...new Set(['localhost', name, `${name.split('.')[0]}.local`, ...addresses])]
}
