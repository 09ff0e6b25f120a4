import { randomBytes } from 'node:crypto'
import { loginRequestSchema, outcomeSchema, type LoginRequestView } from '../api/schemas/sign-in.ts'
import { installationId } from '../chain/installation.ts'
import { AppError } from '../errors/app-error.ts'
import type { Act } from '../sign-in/sign-in-text.ts'
import type { ApiClient } from './client.ts'
import type { CliContext } from './context.ts'
import { say } from './output.ts'
import { approve, sendReply } from './session.ts'
import { askTerminal } from './terminal.ts'
import type { CliWallet } from './wallet.ts'

/** An approved request of this terminal's own; `nonce` proves that it is. */
export interface ApprovedAct {
  view: LoginRequestView
  nonce: string
}

/**
 * Has one act approved: by the wallet of the options, else by whatever browser the person opens the shown address in. Throws
 * what the host throws, `misdirected` if it asks for another act than this, `not-signed-in` with the reason where it was denied.
 */
export async function approvedAct(context: CliContext, act: Act, vmId: string): Promise<ApprovedAct> {
  const { client, options } = context
  const wallet = await context.chosenWallet()
  const nonce = randomBytes(16).toString('hex')
  const view = await client.call(loginRequestSchema, 'POST', '/v1/login-requests', {
    body: { act, vmId, nonce },
    headers: once(),
  })
  mustBeAsked(view, act, vmId, options.host)
  if (wallet === undefined) await inBrowser(client, view, nonce)
  else await withWallet(client, view, nonce, wallet, options.host)
  return { view, nonce }
}

async function withWallet(client: ApiClient, view: LoginRequestView, nonce: string, wallet: CliWallet, origin: string) {
  const { state, replyCode } = await approve(client, view, wallet, origin)
  // signer and asker are one process here: it may take the code from one hand into the other
  if (state === 'needs-reply') await sendReply(client, view, nonce, replyCode ?? '')
}

async function inBrowser(client: ApiClient, view: LoginRequestView, nonce: string): Promise<void> {
  say(`Open ${view.origin}/s/${view.code.replace('-', '')} and sign there with the wallet that holds the access pass.`)
  say(
    `Code ${view.code}, good until ${view.expiresAt.slice(11, 16)} UTC. It is for VM ${view.vmId ?? '-'}, asked from ${view.source}.`,
  )
  for (;;) {
    const outcome = await client.call(outcomeSchema, 'GET', `${pathOf(view)}/outcome?waitSeconds=25`, {
      headers: { 'freehold-nonce': nonce },
    })
    switch (outcome.state) {
      case 'approved':
        return
      case 'waiting':
        continue
      case 'needs-reply': {
        const reply = await askTerminal('Signed from another address. Reply code that the page shows: ', {
          hidden: false,
          withoutTerminal: 'Sign in a browser of this machine, or use --keystore FILE with --passphrase-file FILE.',
        })
        if (reply.trim() !== '') await sendReply(client, view, nonce, reply.trim().slice(0, 20))
        continue
      }
      case 'denied':
      case 'expired':
      case 'used':
        throw new AppError({
          code: 'not-signed-in',
          detail: outcome.reason?.text ?? 'The sign-in has expired.',
          hint: 'Run the command again.',
        })
    }
  }
}

/** A host that lies about what it asks for gets no signature and sends nobody to another page. */
function mustBeAsked(view: LoginRequestView, act: Act, vmId: string, host: string): void {
  const installation = view.contract === null ? '' : installationId(view.chainId, view.contract)
  const asked = view.act === act && view.vmId === vmId && `${installation}-${view.tokenId}` === vmId && view.hostKey !== null
  if (asked && new URL(view.origin).origin === new URL(host).origin) return
  throw new AppError({
    code: 'misdirected',
    detail: `The request was made for ${view.act} at ${view.origin}, not for what was asked of ${host}.`,
    hint: 'Do not sign it. Open the address that you know.',
  })
}

function pathOf(view: LoginRequestView): string {
  return `/v1/login-requests/${view.code.replace('-', '')}`
}

function once(): Record<string, string> {
  return { 'idempotency-key': randomBytes(16).toString('hex') }
}
