import { X509Certificate, createPrivateKey } from 'node:crypto'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { Agent, get } from 'node:https'
import { dirname, join } from 'node:path'
import { rootCertificates } from 'node:tls'
import type { Client } from 'acme-client'
import { z } from 'zod'
import { AppError } from '../../errors/app-error.ts'
import type { TlsAnswer } from '../../config/schema.ts'

export type AcmeAnswer = Extract<TlsAnswer, { kind: 'acme' }>

/** A certificate with its chain and its key, both PEM. */
export interface IssuedCertificate {
  certificate: string
  key: string
}

export interface AcmeOrder {
  answer: AcmeAnswer
  /** The DNS names to be vouched for. */
  names: readonly [string, ...string[]]
  /** Mode 0600; made at the first order. */
  accountKeyFile: string
  /** What Caddy serves below `/.well-known/acme-challenge/` on port 80. */
  challenges: string
  /** Lays the proof for a name down in its zone, served when it resolves (8.4). Absent: proven over HTTP. */
  layInZone?(name: string, value: string): Promise<void>
  signal: AbortSignal
}

const requestMs = 30_000

/** Loaded with the first order, a few times a year: it is 6 MB of a daemon that stays. */
const library = () => import('acme-client')

async function agentFor({ authorityFile }: AcmeAnswer): Promise<Agent> {
  const own = authorityFile === undefined ? [] : [await readFile(authorityFile, 'utf8')]
  return new Agent({ ca: [...rootCertificates, ...own] })
}

async function clientFor(answer: AcmeAnswer, accountKey: Buffer): Promise<Client> {
  const { axios, Client } = await library()
  // the library has one agent for all; this host has one directory
  axios.defaults.httpsAgent = await agentFor(answer)
  axios.defaults.timeout = requestMs
  axios.defaults.maxContentLength = 1_000_000
  return new Client({ directoryUrl: answer.directory, accountKey, backoffAttempts: 20, backoffMin: 1000, backoffMax: 15_000 })
}

async function accountKeyOf(file: string): Promise<Buffer> {
  const present = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (present !== undefined) return present
  const made = await (await library()).crypto.createPrivateEcdsaKey()
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  await writeFile(`${file}.new`, made, { mode: 0o600, flush: true })
  await rename(`${file}.new`, file)
  return made
}

const directorySchema = z.object({
  newNonce: z.url(),
  newAccount: z.url(),
  newOrder: z.url(),
  meta: z.object({ termsOfService: z.url().optional() }).optional(),
})

/** Asks what a directory offers; its terms, where it names some. Throws `certificate-refused`. */
export async function askDirectory(answer: AcmeAnswer, signal: AbortSignal): Promise<{ terms: string | null }> {
  const { directory } = answer
  const agent = await agentFor(answer)
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const asked = get(directory, { agent, signal, timeout: requestMs }, (response) => {
    let text = ''
    response.setEncoding('utf8').on('data', (part: string) => (text = `${text}${part}`.slice(0, 100_000)))
    response.on('end', () => resolve(text)).on('error', reject)
  })
  asked.on('timeout', () => asked.destroy(new Error('no answer in time'))).on('error', reject)
  const text = await told(answer, () => promise)
  let parsed: z.output<typeof directorySchema>
  try {
    parsed = directorySchema.parse(JSON.parse(text))
  } catch (cause) {
    throw new AppError({ code: 'certificate-refused', detail: `What answers at ${directory} is no ACME directory.`, cause })
  }
  return { terms: parsed.meta?.termsOfService ?? null }
}

/**
 * One certificate by RFC 8555, the names proven over HTTP (8.3) or in DNS (8.4). The key is new with every order. Whatever comes back is looked
 * at before it is believed: key, name and dates. Throws `certificate-refused` with what the authority said.
 */
export async function obtainByAcme(order: AcmeOrder): Promise<IssuedCertificate> {
  const { answer, names, challenges, layInZone, signal } = order
  // first by ourselves: the library tries long, and tells little of an authority that is not there
  await askDirectory(answer, signal)
  const client = await clientFor(answer, await accountKeyOf(order.accountKeyFile))
  const { crypto } = await library()
  const key = await crypto.createPrivateEcdsaKey()
  const [, csr] = await crypto.createCsr({ commonName: names[0], altNames: [...names] }, key)
  await mkdir(challenges, { recursive: true, mode: 0o750 })
  const certificate = await told(answer, async () => {
    await unlessStopped(enter(client, answer), signal)
    return await unlessStopped(
      client.auto({
        csr,
        challengePriority: [layInZone === undefined ? 'http-01' : 'dns-01'],
        // the authority looks from outside; what this machine sees of itself proves nothing
        skipChallengeVerification: true,
        challengeCreateFn: async ({ identifier }, challenge, authorization) => {
          if (layInZone !== undefined) await layInZone(identifier.value, authorization)
          else await writeFile(fileOf(challenges, challenge.token), authorization, { mode: 0o640 })
        },
        // a proof in a zone is gone by itself after an hour
        challengeRemoveFn: async (_, challenge) =>
          layInZone === undefined ? await rm(fileOf(challenges, challenge.token), { force: true }) : undefined,
      }),
      signal,
    )
  })
  return checked({ certificate, key: key.toString() }, names)
}

/** Registers the account's key, or finds it registered. */
async function enter(client: Client, { termsAgreed, email }: AcmeAnswer): Promise<void> {
  const contact = email === undefined ? {} : { contact: [`mailto:${email}`] }
  try {
    await client.createAccount({ termsOfServiceAgreed: termsAgreed, ...contact })
  } catch (error) {
    // the library goes on to change an account that is there already; an authority may refuse that, and nothing is lost by it
    if (!isKnown(client)) throw error
  }
}

function isKnown(client: Client): boolean {
  try {
    return client.getAccountUrl() !== ''
  } catch {
    return false
  }
}

/** A token is base64url (RFC 8555, 8.3); anything else would be a path. */
function fileOf(folder: string, token: string): string {
  if (/^[A-Za-z0-9_-]{1,200}$/.test(token)) return join(folder, token)
  throw new AppError({ code: 'certificate-refused', detail: 'The authority sent a challenge that is no token.' })
}

/** Throws `certificate-refused` unless key and names are those that were asked for. */
export function checked(issued: IssuedCertificate, names: readonly string[]): IssuedCertificate {
  const certificate = new X509Certificate(issued.certificate)
  const missing = names.find((name) => certificate.checkHost(name) === undefined)
  const wrong = !certificate.checkPrivateKey(createPrivateKey(issued.key))
    ? 'It is for another key.'
    : missing === undefined
      ? undefined
      : `It does not name ${missing}.`
  if (wrong !== undefined)
    throw new AppError({ code: 'certificate-refused', detail: `The certificate that came is not ours. ${wrong}` })
  return issued
}

async function unlessStopped<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>()
  const abort = (): void => reject(signal.reason as Error)
  if (signal.aborted) abort()
  signal.addEventListener('abort', abort, { once: true })
  work.catch(() => undefined)
  try {
    return await Promise.race([work, promise])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

async function told<T>({ directory }: AcmeAnswer, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    if (cause instanceof AppError) throw cause
    if (cause instanceof Error && cause.name === 'AbortError') throw cause
    const said = cause instanceof Error ? cause.message.replaceAll(/\s+/g, ' ').slice(0, 300) : 'no answer'
    throw new AppError({ code: 'certificate-refused', detail: `${new URL(directory).host}: ${said}`, cause })
  }
}
