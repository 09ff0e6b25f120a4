import { randomBytes } from 'node:crypto'
import { factsOf } from '../api/schemas/sign-in-facts.ts'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import {
  approvalSchema,
  loginRequestSchema,
  outcomeSchema,
  sessionSchema,
  type Approval,
  type LoginRequestView,
} from '../api/schemas/sign-in.ts'
import { AppError } from '../errors/app-error.ts'
import { signedNonceOf } from '../sign-in/asker-nonce.ts'
import { signInText } from '../sign-in/sign-in-text.ts'
import type { ApiClient } from './client.ts'
import type { CliWallet } from './wallet.ts'

/** Signs the text of a waiting request and sends the approval. `expectedOrigin` guards against a host that lies about its name. */
export async function approve(
  client: ApiClient,
  view: LoginRequestView,
  wallet: CliWallet,
  expectedOrigin: string,
): Promise<Approval> {
  if (new URL(view.origin).origin !== new URL(expectedOrigin).origin) {
    throw new AppError({
      code: 'misdirected',
      detail: `The request was made for ${view.origin}, not for ${expectedOrigin}.`,
      hint: 'Do not sign it. Open the address that you know.',
    })
  }
  const signature = await wallet.signText(signInText(factsOf(view, wallet.address)))
  const code = view.code.replace('-', '')
  return await client.call(approvalSchema, 'POST', `/v1/login-requests/${code}/approval`, {
    body: { address: wallet.address, signature },
    headers: { 'idempotency-key': randomBytes(16).toString('hex') },
  })
}

/** Sends the reply code back as the asker. Throws what the host throws; a wrong code is no error, the outcome says so. */
export async function sendReply(client: ApiClient, view: LoginRequestView, nonce: string, reply: string): Promise<void> {
  await client.call(outcomeSchema, 'POST', `/v1/login-requests/${view.code.replace('-', '')}/reply`, {
    headers: { 'idempotency-key': randomBytes(16).toString('hex'), 'freehold-nonce': nonce },
    body: { reply },
  })
}

const storeSchema = z.record(z.string(), z.strictObject({ token: z.string(), expiresAt: z.number() }))

function storeFile(): string {
  return join(process.env['XDG_STATE_HOME'] ?? join(homedir(), '.local/state'), 'freehold', 'cli-sessions.json')
}

async function readStore(): Promise<z.output<typeof storeSchema>> {
  try {
    return storeSchema.parse(JSON.parse(await readFile(storeFile(), 'utf8')))
  } catch {
    return {}
  }
}

/**
 * Signs in at the host with the wallet and gives the client its token; a session of an earlier call is used again while it
 * lasts. The file with tokens is readable by its owner only.
 */
export async function signIn(client: ApiClient, wallet: CliWallet, origin: string, now: number): Promise<void> {
  const key = `${origin} ${wallet.address.toLowerCase()}`
  const store = await readStore()
  const kept = store[key]
  if (kept !== undefined && kept.expiresAt > now + 60) {
    client.setToken(kept.token)
    const alive = await client.call(z.unknown(), 'GET', '/v1/sessions').then(
      () => true,
      () => false,
    )
    if (alive) return
  }
  const nonce = randomBytes(16).toString('hex')
  const fresh = () => ({ 'idempotency-key': randomBytes(16).toString('hex') })
  const view = await client.call(loginRequestSchema, 'POST', '/v1/login-requests', {
    body: { act: 'session', nonce },
    headers: fresh(),
  })
  // a session's text names no VM, and the nonce is ours: nothing else is signed here, whatever the host answers
  const asked = view.act === 'session' && view.vmId === null && view.contract === null && view.hostKey === null
  if (!asked || view.nonce !== signedNonceOf(nonce)) {
    throw new AppError({
      code: 'misdirected',
      detail: `The host answered with a request for ${view.act}, not for a session of this terminal.`,
      hint: 'Do not sign it. This host is not to be trusted.',
    })
  }
  const approval = await approve(client, view, wallet, origin)
  // signer and asker are one process here: it may take the code from one hand into the other
  if (approval.state === 'needs-reply') await sendReply(client, view, nonce, approval.replyCode ?? '')
  const session = await client.call(sessionSchema, 'POST', '/v1/sessions', {
    body: { requestId: view.requestId, nonce, bearer: true },
    headers: fresh(),
  })
  if (session.token === null) throw new AppError({ code: 'not-signed-in', detail: 'The host gave no token to this terminal.' })
  client.setToken(session.token)
  store[key] = { token: session.token, expiresAt: session.expiresAt }
  const file = storeFile()
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  await writeFile(`${file}.new`, JSON.stringify(store), { mode: 0o600 })
  await rename(`${file}.new`, file)
}
