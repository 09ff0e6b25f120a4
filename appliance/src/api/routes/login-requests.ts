import { randomBytes } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import { AppError } from '../../errors/app-error.ts'
import { newHexId } from '../../sign-in/codes.ts'
import type { LoginRequest } from '../../sign-in/login-request.ts'
import { displayCode, type Act } from '../../sign-in/sign-in-text.ts'
import { hashToken } from '../../sign-in/sessions.ts'
import type { ApiServer } from '../app.ts'
import { askedBy, nonceHashOf } from '../asker.ts'
import { signedNonceOf } from '../../sign-in/asker-nonce.ts'
import { holdingsOf } from '../holdings.ts'
import { askerCookie, askerHash, cookieLine } from '../identity.ts'
import type { ApiPorts } from '../ports.ts'
import {
  approvalBodySchema,
  approvalSchema,
  loginRequestSchema,
  newLoginRequestSchema,
  outcomeSchema,
  replyBodySchema,
  type LoginRequestView,
} from '../schemas/sign-in.ts'

const byCode = z.strictObject({ code: z.string().max(20) })
const outcomeQuery = z.strictObject({ waitSeconds: z.coerce.number().int().min(0).max(25).default(0) })
const askerSeconds = 3600

/** Begin, show, approve, refuse a sign-in; learn its outcome; send the reply code back. A code is no secret (design.md §8). */
export function registerLoginRequests(app: ApiServer, ports: ApiPorts): void {
  const { signIn } = ports

  function viewOf(asked: LoginRequest, request: FastifyRequest): LoginRequestView {
    const place = { address: request.clientAddress, cookieHash: askerHash(request) }
    const { vm } = asked
    return {
      requestId: asked.requestId,
      code: displayCode(asked.code),
      act: asked.act,
      state: asked.state.kind,
      vmId: vm?.vmId ?? null,
      hostname: vm === null ? null : `vm-${vm.tokenId}`,
      user: asked.user,
      source: asked.source,
      browserAddress: request.clientAddress,
      direct: signIn.reachesAsker(asked, place),
      origin: asked.origin,
      chainId: asked.chainId,
      contract: vm?.contract ?? null,
      tokenId: vm?.tokenId.toString() ?? null,
      generation: vm?.generation ?? null,
      hostKey: asked.hostKey,
      nonce: asked.nonce,
      issuedAt: asked.issuedAt,
      expiresAt: asked.expiresAt,
      now: ports.clock.now(),
    }
  }

  /** The VM of an act that needs one. What exists is public on chain; who may act is looked up at the approval. */
  function vmOf(act: Act, vmId: string | undefined): LoginRequest['vm'] {
    const wrong = (detail: string) =>
      new AppError({ code: 'bad-input', detail: 'This sign-in cannot be begun.', fields: [{ pointer: '/vmId', detail }] })
    if (act === 'session') {
      if (vmId !== undefined) throw wrong('is not part of the act session')
      return null
    }
    if (vmId === undefined) throw wrong('is missing')
    const facts = ports.facts()
    const holding = holdingsOf(facts).byVmId.get(vmId)
    const row = facts.vms.get(vmId)
    if (holding === undefined || row === undefined) throw new AppError({ code: 'vm-unknown', detail: `There is no VM ${vmId}.` })
    const { installation, tokenId } = holding.subscription
    return { vmId, installation, contract: holding.contract.latest.contract.toLowerCase(), tokenId, generation: row.generation }
  }

  /** The host key that a certificate's text names: without one nobody could know that the VM is the right one. */
  function hostKeyOf(vm: LoginRequest['vm']): string {
    const hostKey = vm === null ? null : (ports.facts().vms.get(vm.vmId)?.hostKey ?? null)
    if (hostKey !== null) return hostKey.fingerprint
    throw new AppError({
      code: 'not-in-this-state',
      detail: 'The VM has not reported its host key yet.',
      hint: 'Wait until it runs, then try again.',
    })
  }

  app.post(
    '/v1/login-requests',
    {
      config: { access: 'public', acts: 'key', rate: { limit: 60, windowSeconds: 300 } },
      schema: { body: newLoginRequestSchema, response: { 201: loginRequestSchema } },
    },
    async (request, reply) => {
      const { act, vmId, nonce } = request.body
      const vm = vmOf(act as Act, vmId)
      const isCertificate = act.startsWith('certificate:')
      const hostKey = isCertificate ? hostKeyOf(vm) : null
      let cookieHash = nonce === undefined ? askerHash(request) : null
      if (nonce === undefined && cookieHash === null) {
        const token = randomBytes(32).toString('base64url')
        cookieHash = hashToken(token)
        void reply.header('set-cookie', cookieLine(askerCookie, token, askerSeconds))
      }
      const asked = signIn.requests.create({
        act: act as Act,
        vm,
        hostKey,
        user: isCertificate ? 'owner' : null,
        source: request.clientAddress,
        behindLoopbackForward: false,
        nonce: nonce === undefined ? newHexId() : signedNonceOf(nonce),
        asker:
          nonce === undefined
            ? { kind: 'browser', cookieHash: cookieHash ?? '' }
            : { kind: 'cli', nonceHash: nonceHashOf(nonce) },
      })
      return reply.code(201).send(viewOf(asked, request))
    },
  )

  app.get(
    '/v1/login-requests/:code',
    {
      config: { access: 'public', rate: { limit: 900, windowSeconds: 300 } },
      schema: { params: byCode, response: { 200: loginRequestSchema } },
    },
    (request) => {
      const asked = signIn.open(request.params.code)
      asked.opened = true
      return viewOf(asked, request)
    },
  )

  app.post(
    '/v1/login-requests/:code/approval',
    {
      config: { access: 'public', acts: 'key', rate: { limit: 60, windowSeconds: 300 } },
      schema: { params: byCode, body: approvalBodySchema, response: { 200: approvalSchema } },
    },
    async (request) => {
      const by = { address: request.clientAddress, cookieHash: askerHash(request) }
      const { state, replyCode } = await signIn.approve(request.params.code, request.body, by)
      // shown as the code of the link is: people copy both from a page
      return { state, replyCode: replyCode === null ? null : displayCode(replyCode) }
    },
  )

  // *Not me*: anybody who has the code may
  app.post(
    '/v1/login-requests/:code/refusal',
    {
      config: { access: 'public', acts: 'key', rate: { limit: 60, windowSeconds: 300 } },
      schema: { params: byCode, body: z.strictObject({}).nullish(), response: { 200: outcomeSchema } },
    },
    async (request) => {
      await signIn.refuse(request.params.code, request.clientAddress)
      return outcomeOf(signIn.open(request.params.code))
    },
  )

  function own(request: FastifyRequest, code: string): LoginRequest {
    const asked = signIn.open(code)
    const header = request.headers['freehold-nonce']
    if (!askedBy(request, typeof header === 'string' ? header : undefined)(asked)) {
      throw new AppError({
        code: 'not-found',
        detail: 'There is no such sign-in of yours.',
        hint: 'Use the browser or terminal that began it.',
      })
    }
    return asked
  }

  app.get(
    '/v1/login-requests/:code/outcome',
    { config: { access: 'public' }, schema: { params: byCode, querystring: outcomeQuery, response: { 200: outcomeSchema } } },
    async (request) => {
      const asked = own(request, request.params.code)
      const gone = new AbortController()
      request.raw.on('close', () => gone.abort())
      if (request.query.waitSeconds > 0) await signIn.requests.settled(asked, request.query.waitSeconds * 1000, gone.signal)
      return outcomeOf(asked)
    },
  )

  app.post(
    '/v1/login-requests/:code/reply',
    {
      config: { access: 'public', acts: 'key', rate: { limit: 60, windowSeconds: 300 } },
      schema: { params: byCode, body: replyBodySchema, response: { 200: outcomeSchema } },
    },
    (request) => {
      const asked = own(request, request.params.code)
      signIn.reply(asked, request.body.reply)
      return outcomeOf(asked)
    },
  )
}

function outcomeOf(asked: LoginRequest): z.output<typeof outcomeSchema> {
  const { state } = asked
  return {
    state: state.kind,
    reason: state.kind === 'denied' ? state.reason : null,
    triesLeft: state.kind === 'needs-reply' ? state.triesLeft : null,
  }
}
