/** Where Caddy serves the root of the host's own authority, where there is one. */
export const rootFile = '/authority/root.pem'

export interface RootCertificate {
  /** SHA-256 as systems show it. */
  fingerprint: string
}

/** The root of this host's own authority; undefined where it has none or cannot be asked. Never rejects. */
export async function rootOf(signal: AbortSignal): Promise<RootCertificate | undefined> {
  try {
    const answer = await fetch(rootFile, { signal })
    if (!answer.ok) return undefined
    const body = /-----BEGIN CERTIFICATE-----([^-]+)-----END CERTIFICATE-----/.exec(await answer.text())?.[1]
    if (body === undefined) return undefined
    const bytes = Uint8Array.from(atob(body.replaceAll(/\s/g, '')), (char) => char.charCodeAt(0))
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
    return { fingerprint: [...digest].map((byte) => byte.toString(16).padStart(2, '0').toUpperCase()).join(':') }
  } catch {
    return undefined
  }
}
