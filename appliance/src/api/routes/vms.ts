import { z } from 'zod'
import { AppError } from '../../errors/app-error.ts'
import type { FastifyRequest } from 'fastify'
import type { ApiServer } from '../app.ts'
import { askedBy } from '../asker.ts'
import { isStale, perFacts } from '../facts.ts'
import { holdingFor, pageOfHoldings, visibleTo, type Holding } from '../holdings.ts'
import { isOperator, nameOf, type Caller } from '../identity.ts'
import type { ApiPorts } from '../ports.ts'
import { taskSchema } from '../schemas/tasks.ts'
import { vmIdSchema } from '../schemas/values.ts'
import { keepBodySchema, vmActionBodySchema, vmSchema, vmsPageSchema, type VmAction, type VmView } from '../schemas/vms.ts'
import { taskView } from '../views/task-view.ts'
import { actionFactsOf, vmView } from '../views/vm-view.ts'
import { reasonAgainst } from '../../vms/vm-actions.ts'
import type { VmId } from '../../chain/installation.ts'
import { wasmHoldingsOf } from '../wasm-plans.ts'
import { listQuerySchema } from './subscriptions.ts'

/** Acts that need a signature of their own: a session alone never erases a disk or opens a console. */
const freshlySigned = new Set<VmAction>(['reinstall', 'rollback', 'console'])

/** GET /v1/vms, GET /v1/vms/{vmId}, POST /v1/vms/{vmId}/actions: the holder's own, the operator's all. */
export function registerVms(app: ApiServer, ports: ApiPorts): void {
  const views = perFacts(() => new Map<string, VmView>())
  const pages = perFacts(() => new Map<string, string>())

  function view(holding: Holding): VmView {
    const facts = ports.facts()
    const made = views(facts)
    const known = made.get(holding.vmId) ?? vmView(holding.subscription, holding.contract, facts, ports)
    made.set(holding.vmId, known)
    return known
  }

  /** Those of kind WASM have a page of their own. */
  function vmsOf(holdings: readonly Holding[]): readonly Holding[] {
    const wasm = new Set(wasmHoldingsOf(ports.facts()).map(({ vmId: id }) => id))
    return wasm.size === 0 ? holdings : holdings.filter(({ vmId: id }) => !wasm.has(id))
  }

  app.get(
    '/v1/vms',
    { config: { access: 'signed-in' }, schema: { querystring: listQuerySchema, response: { 200: vmsPageSchema } } },
    async ({ caller, query: { cursor, limit, all } }, reply) => {
      // the text of a page is the same until the facts change: it is made once, not per request
      const made = pages(ports.facts())
      const key = `${nameOf(caller)} ${all} ${limit} ${cursor ?? ''}`
      let text = made.get(key)
      if (text === undefined) {
        const { rows, nextCursor } = pageOfHoldings(vmsOf(visibleTo(caller, all, ports)), cursor, limit)
        text = JSON.stringify({ items: rows.map(view), nextCursor })
        if (made.size < 1000) made.set(key, text)
      }
      // a string goes out as it is, without the schema's serializer
      return reply
        .header('content-type', 'application/json; charset=utf-8')
        .send(text as unknown as z.output<typeof vmsPageSchema>)
    },
  )

  const params = z.strictObject({ vmId: vmIdSchema })
  app.get(
    '/v1/vms/:vmId',
    { config: { access: 'signed-in' }, schema: { params, response: { 200: vmSchema } } },
    ({ caller, params: { vmId } }) => offeredTo(caller, holdingFor(caller, vmId, ports)),
  )

  app.post(
    '/v1/vms/:vmId/actions',
    {
      config: { access: 'signed-in', acts: 'kept' },
      schema: { params, body: vmActionBodySchema, response: { 202: taskSchema } },
    },
    async (request, reply) => {
      const {
        caller,
        params: { vmId },
        body: { action, requestId },
      } = request
      const holding = holdingFor(caller, vmId, ports)
      const shown = view(holding)
      const facts = actionFactsOf(shown, ports.facts())
      const refusal = reasonAgainst(action, facts)
      if (refusal !== null) throw new AppError({ code: facts.busy ? 'task-running' : 'not-in-this-state', detail: refusal })
      mustBeAllowed(caller, holding, shown, action)
      if (action === 'console')
        throw new AppError({
          code: 'not-supported',
          detail: 'The console is not opened over this call.',
          hint: 'Open its WebSocket.',
        })
      if (freshlySigned.has(action)) await consumeSignature(request, shown, action, requestId)
      const by = nameOf(caller)
      const taskId = await ports.vmActions.begin(vmId as VmId, action, facts)
      await ports.store.audit.append({
        who: by,
        what: `vm ${action}`,
        target: vmId,
        result: `task ${taskId}`,
        transactionHash: null,
      })
      const task = await ports.store.tasks.get(taskId)
      if (task === undefined) throw new AppError({ code: 'internal', detail: 'The work has begun, but its task cannot be read.' })
      return reply.code(202).send(taskView(task))
    },
  )

  app.post(
    '/v1/vms/:vmId/keep',
    {
      config: { access: 'signed-in', acts: 'key' },
      schema: { params, body: keepBodySchema, response: { 200: vmSchema } },
    },
    async ({ caller, params: { vmId }, body: { generation } }) => {
      const holding = holdingFor(caller, vmId, ports)
      const holder = holding.subscription.holder.toLowerCase()
      if (caller.kind !== 'wallet' || caller.address !== holder) {
        throw new AppError({ code: 'not-allowed', detail: 'Only the holder of the access pass can decide this.' })
      }
      const row = ports.facts().vms.get(vmId)
      if (row?.generation !== generation) {
        throw new AppError({
          code: 'not-in-this-state',
          detail: 'The VM was reinstalled meanwhile: nothing of the former holder is left.',
        })
      }
      await ports.passWatch.keep(row, holder)
      await ports.store.audit.append({
        who: holder,
        what: 'vm keep',
        target: vmId,
        result: `generation ${generation}`,
        transactionHash: null,
      })
      // what was made of these facts before says otherwise
      views(ports.facts()).delete(vmId)
      pages(ports.facts()).clear()
      return offeredTo(caller, holding)
    },
  )

  /** A VM with the buttons of this caller: what the call itself would refuse is not offered (P7). */
  function offeredTo(caller: Caller, holding: Holding): VmView {
    const shown = view(holding)
    const actions = shown.actions.map((offer) => {
      const refusal = offer.allowed ? refusalOf(() => mustBeAllowed(caller, holding, shown, offer.action)) : undefined
      return refusal === undefined ? offer : { ...offer, allowed: false, reason: refusal.detail }
    })
    const page = isOperator(caller, ports) ? ports.facts().records?.get(holding.vmId)?.page : undefined
    return { ...shown, actions, hypervisorPage: page ?? null }
  }

  function mustBeAllowed(caller: Caller, holding: Holding, shown: VmView, action: VmAction): void {
    mustBeEntitled(caller, shown, action)
    mustBeSettled(caller, holding)
  }

  /** A holder acts on what both depths say, and on nothing old (design.md §8): the operator's own socket is no wallet. */
  function mustBeSettled(caller: Caller, { subscription, contract }: Holding): void {
    if (caller.kind !== 'wallet' || subscription.holder.toLowerCase() !== caller.address) return
    if (isStale(ports.facts(), ports.clock.now())) {
      throw new AppError({ code: 'chain-stale', detail: 'The host does not know the present state of the network.' })
    }
    const settled = contract.giving.subscriptions.get(subscription.tokenId)
    if (settled?.holder.toLowerCase() !== caller.address) {
      throw new AppError({
        code: 'pass-not-confirmed',
        detail: `The pass has come to ${caller.address}, but too few blocks stand upon it yet.`,
      })
    }
  }

  /** The act's own signature, once, and only through the browser or terminal that asked for it (design.md §8). */
  async function consumeSignature(
    request: FastifyRequest,
    vm: VmView,
    action: VmAction,
    requestId: string | undefined,
  ): Promise<void> {
    const { caller } = request
    if (caller.kind !== 'wallet')
      throw new AppError({ code: 'not-allowed', detail: 'Only the holder of the access pass can ask for this.' })
    if (requestId === undefined) {
      throw new AppError({
        code: 'bad-input',
        detail: 'This needs a fresh signature.',
        fields: [{ pointer: '/requestId', detail: `is missing: ask for a sign-in with the act ${action}` }],
      })
    }
    const header = request.headers['freehold-nonce']
    const mine = askedBy(request, typeof header === 'string' ? header : undefined)
    await ports.signIn.consume(
      requestId,
      (asked) =>
        asked.act === action &&
        asked.vm?.vmId === vm.vmId &&
        mine(asked) &&
        // a signature of another wallet is none for this session
        (!('approval' in asked.state) || asked.state.approval.signer === caller.address),
    )
  }
}

function refusalOf(check: () => void): AppError | undefined {
  try {
    check()
    return undefined
  } catch (error) {
    if (error instanceof AppError) return error
    throw error
  }
}

/** A subscriber acts while the subscription is active; the operator may stop and look after what is not. */
function mustBeEntitled(caller: Caller, vm: VmView, action: VmAction): void {
  const { entitlement, holder } = vm.subscription
  const isHolder = caller.kind === 'wallet' && holder === caller.address
  if (isHolder && entitlement === 'active') return
  if (!isHolder && action === 'stop') return
  if (!isHolder && entitlement === 'active' && (action === 'start' || action === 'reboot')) return
  if (!isHolder) throw new AppError({ code: 'not-allowed', detail: `Only the holder of the access pass can ask for ${action}.` })
  throw new AppError({
    code: 'not-entitled',
    detail: `The subscription of VM ${vm.vmId} is not active.`,
    hint: 'Renew it, then try again.',
  })
}
