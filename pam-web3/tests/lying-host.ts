import { setTimeout as delay } from 'node:timers/promises'
import { createHash, generateKeyPairSync, randomBytes, type KeyObject } from 'node:crypto'
import { createServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { Wallet } from 'ethers'
import { signInText, type SignInFacts } from '../../appliance/src/sign-in/sign-in-text.ts'
import {
  signStatement,
  textSha256,
  type OwnershipStatement,
  type SignedStatement,
} from '../../appliance/src/sign-in/statement.ts'
import { parseHostKey } from '../../appliance/src/sign-in/host-key.ts'
import { newTlsIdentity, spkiSha256Of } from '../../appliance/src/sign-in/tls-identity.ts'
import type { GuestFacts } from './stand.ts'

/** Wallets of the play: the holder and anybody else. */
export const holder = new Wallet(`0x${'11'.repeat(32)}`)
export const stranger = new Wallet(`0x${'22'.repeat(32)}`)

/** The VM of the play; installation 4eff3c5b1f35. */
export const vm = {
  contract: '0x5fbdb2315678afecb367f032d93f642f64180aa3',
  tokenId: 42n,
  generation: 1,
}

/** A login request as the host opened it. */
export interface Opened {
  id: string
  code: string
  url: string
  origin: string
  issuedAt: string
  expiresAt: string
  nonce: string
  user: string
  source: string
}

/** Lies of an approval; what is left out is honest. */
export interface Lies {
  /** Other facts than the module's own enter the signed text. */
  facts?: Partial<SignInFacts>
  /** The statement names the text that the module rebuilds, whatever was signed. */
  claimsHonestText?: boolean
  /** Who signs. */
  wallet?: Wallet
  /** Changes the statement before it is signed. */
  statement?: Partial<OwnershipStatement>
  /** Changes the signed statement. */
  forged?: Partial<SignedStatement> | Record<string, unknown>
  /** Changes the signature. */
  signature?: (honest: string) => string
  statementKey?: KeyObject
}

/** A host for the guest API that tells the truth unless told otherwise. */
export interface LyingHost {
  /** Of the guest's host key; a report sets it. */
  fingerprint: string
  /** Reports that came, as they were. */
  readonly reports: unknown[]
  /** For `guest.json`. */
  readonly facts: GuestFacts
  readonly opened: Opened[]
  /** Requests seen, `METHOD /path`. */
  readonly calls: string[]
  /** Answers `GET …/{id}`. Default: waiting. */
  answer: (opened: Opened) => object | Promise<object>
  /** Answers `POST …/reply`. */
  reply: (opened: Opened, code: string) => object | Promise<object>
  /** *Not me* on the page: the terminal that watches is told. */
  refuse(opened: Opened): void
  /** How many terminals have asked whether they were refused. */
  readonly watchers: number
  /** Seconds by which this host's clock is ahead of the guest's. */
  ahead: number
  /** Answers `presence`; undefined is a 503. */
  presence: object | undefined
  /** Answers `presence` of a certificate by its key id. Default: as any presence. */
  certificate: (keyId: string) => object | undefined
  /** Changes the answer to `POST /login-requests`. */
  opening: (honest: object) => object
  /** An approval, honest or not. */
  approve(opened: Opened, lies?: Lies): Promise<object>
  /** Back to the truth. */
  reset(): void
  /** Stops listening; with `again`, listens on the same port with another key. */
  stop(): Promise<void>
}

/** The secret that the host expects in `Authorization`. */
export const secret = 'ab'.repeat(32)

/** The token of the seed. */
export const token = `4eff3c5b1f35/42/1.${'cd'.repeat(32)}`

/** Listens on loopback. `fingerprint` is the guest's host key, as the host has it from the report. */
export async function createLyingHost(fingerprint: string): Promise<LyingHost> {
  const identity = await newTlsIdentity()
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const raw = publicKey.export({ format: 'jwk' }).x ?? ''
  const server = createServer(
    { key: identity.keyPem, cert: identity.certificatePem, minVersion: 'TLSv1.3' },
    (request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        void route(`${request.method} ${request.url}`, request.headers.authorization, Buffer.concat(chunks).toString()).then(
          ([status, body]) => {
            const text = typeof body === 'string' ? body : JSON.stringify(body)
            response.writeHead(status, {
              'content-type': 'application/json',
              'content-length': Buffer.byteLength(text),
            })
            response.end(text)
          },
        )
      })
    },
  )
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as AddressInfo

  const refusals = new Map<string, PromiseWithResolvers<string>>()
  let watchers = 0
  const refusalOf = (id: string) => {
    const known = refusals.get(id) ?? Promise.withResolvers<string>()
    refusals.set(id, known)
    return known
  }

  const host: LyingHost = {
    refuse: ({ id }) => refusalOf(id).resolve('refused'),
    get watchers() {
      return watchers
    },
    facts: {
      endpoint: `127.0.0.1:${port}`,
      spkiSha256: spkiSha256Of(identity.certificatePem),
      statementKey: Buffer.from(raw, 'base64url').toString('base64'),
      chainId: 31337,
      contract: vm.contract,
      tokenId: vm.tokenId.toString(),
      generation: vm.generation,
    },
    fingerprint,
    reports: [],
    opened: [],
    calls: [],
    answer: () => ({ state: 'waiting' }),
    reply: () => ({ state: 'waiting' }),
    ahead: 0,
    presence: undefined,
    certificate: () => host.presence,
    opening: (honest) => honest,
    async approve(opened, lies = {}) {
      const wallet = lies.wallet ?? holder
      const { id: requestId, code, origin, issuedAt, expiresAt, nonce, user, source } = opened
      const honest: SignInFacts = {
        act: 'shell',
        address: wallet.address,
        chainId: 31337,
        vm,
        hostKey: host.fingerprint,
        origin,
        user,
        source,
        code,
        nonce,
        issuedAt,
        expiresAt,
        requestId,
      }
      const text = signInText({ ...honest, ...lies.facts })
      const signer = wallet.address.toLowerCase()
      const statement = signStatement(
        {
          act: 'shell',
          textSha256: textSha256(lies.claimsHonestText === true ? signInText(honest) : text),
          nonce,
          signer,
          verifiedBy: 'ecdsa',
          holder: signer,
          entitlement: 'active',
          activeUntil: 1_900_000_000,
          blockNumber: 123,
          blockHash: `0x${'ab'.repeat(32)}`,
          ...lies.statement,
        },
        lies.statementKey ?? privateKey,
      )
      const signature = await wallet.signMessage(text)
      return {
        state: 'approved',
        signature: lies.signature?.(signature) ?? signature,
        signer,
        statement: { ...statement, ...lies.forged },
      }
    },
    reset() {
      host.answer = () => ({ state: 'waiting' })
      host.reply = () => ({ state: 'waiting' })
      host.opening = (honest) => honest
      host.presence = undefined
      host.certificate = () => host.presence
      host.ahead = 0
      host.opened.length = 0
      host.calls.length = 0
      watchers = 0
    },
    stop: () => {
      const { promise, resolve } = Promise.withResolvers<void>()
      server.close(() => resolve())
      // all of them: a connection that is still shaking hands is none that the server would close
      for (const socket of sockets) socket.destroy()
      return promise
    },
  }

  async function route(call: string, authorization: string | undefined, body: string): Promise<[number, object | string]> {
    const watched = /^GET \/guest\/v1\/login-requests\/([0-9a-f]{32})\/refusal$/.exec(call)?.[1]
    if (watched !== undefined && isKnown(authorization)) {
      watchers += 1
      const open = delay(25_000, 'open', { ref: false })
      return [200, { state: await Promise.race([refusalOf(watched).promise, open]) }]
    }
    host.calls.push(call)
    if (call === 'POST /guest/v1/report') {
      const report = JSON.parse(body) as { token: string; hostKeys: string[] }
      host.reports.push(report)
      host.fingerprint = parseHostKey(report.hostKeys[0] ?? '')?.fingerprint ?? ''
      return report.token === token ? [200, { secret }] : [401, { code: 'not-signed-in', detail: 'This VM is not known here.' }]
    }
    if (!isKnown(authorization)) return [401, { code: 'not-signed-in', detail: 'This VM is not known here.' }]
    if (call === 'POST /guest/v1/login-requests') {
      const code = newCode()
      const now = Math.floor(Date.now() / 1000) + host.ahead
      const opened: Opened = {
        ...(JSON.parse(body) as Pick<Opened, 'nonce' | 'user' | 'source'>),
        id: randomBytes(16).toString('hex'),
        code,
        origin: 'https://host.example',
        url: `https://host.example/s/${code.replace('-', '')}`,
        issuedAt: iso(now),
        expiresAt: iso(now + 300),
      }
      host.opened.push(opened)
      const { id, url, origin, issuedAt, expiresAt } = opened
      return [201, host.opening({ id, code, url, origin, issuedAt, expiresAt })]
    }
    const [, method, id, replying] = /^(GET|POST) \/guest\/v1\/login-requests\/([0-9a-f]{32})(\/reply)?$/.exec(call) ?? []
    const opened = host.opened.find((o) => o.id === id)
    if (opened !== undefined && method === 'GET') return [200, await host.answer(opened)]
    if (opened !== undefined && replying !== undefined)
      return [200, await host.reply(opened, (JSON.parse(body) as { reply: string }).reply)]
    if (call.startsWith('GET /guest/v1/presence')) {
      const keyId = /\?certificate=(.*)$/.exec(call)?.[1]
      const presence = keyId === undefined ? host.presence : host.certificate(keyId)
      return presence === undefined
        ? [503, { code: 'chain-stale', detail: 'The host does not know the present state.' }]
        : [200, presence]
    }
    return [404, { code: 'not-found', detail: 'No such call.' }]
  }
  return host
}

/** The secret counts, whichever VM and generation of this host a guest says it is: nothing is refused before a lie is told. */
function isKnown(authorization: string | undefined): boolean {
  const [, said] = /^Bearer 4eff3c5b1f35\/[0-9]+\/[0-9]+\.([0-9a-f]{64})$/.exec(authorization ?? '') ?? []
  return said === secret
}

function newCode(): string {
  const digest = createHash('sha256').update(randomBytes(16)).digest()
  const text = [...digest.subarray(0, 8)].map((byte) => '0123456789ABCDEFGHJKMNPQRSTVWXYZ'[byte % 32]).join('')
  return `${text.slice(0, 4)}-${text.slice(4)}`
}

function iso(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace('.000Z', 'Z')
}
