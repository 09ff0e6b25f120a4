import { z } from 'zod'
import { AppError } from '../../errors/app-error.ts'
import { entitlement } from '../../subscriptions/entitlement.ts'
import type { WasmHost } from '../../wasm/host-client.ts'
import type { ApiServer } from '../app.ts'
import type { Caller } from '../identity.ts'
import type { ApiPorts } from '../ports.ts'
import {
  newWasmKeySchema,
  wantedWasmKeySchema,
  wasmOperatorSchema,
  wasmReceiptCheckSchema,
  wasmReceiptsSchema,
  wasmSchema,
} from '../schemas/wasm.ts'
import { wasmHoldingsOf } from '../wasm-plans.ts'

const byId = z.strictObject({ keyId: z.string().regex(/^[0-9a-f]{12}$/) })
const cursorQuery = z.strictObject({ cursor: z.coerce.number().int().min(0).optional() })
const checkBody = z.strictObject({ receipt: z.string().min(1).max(20_000) })
const pageSize = 50
/** Limits of the console's calls, which reach into another process. */
const rate = { limit: 60, windowSeconds: 300 }

/** `/v1/wasm`: keys, usage, receipts of the wallet that signed in; the whole for the operator. */
export function registerWasm(app: ApiServer, ports: ApiPorts): void {
  function host(): { url: string; host: WasmHost } {
    const wasm = ports.wasm?.()
    if (wasm !== undefined) return wasm
    throw new AppError({ code: 'not-supported', detail: 'This host does not serve WASM.', hint: 'Choose a VM instead.' })
  }

  /** The wallet of a session; the host itself has none. */
  function walletOf(caller: Caller): string {
    if (caller.kind === 'wallet') return caller.address
    throw new AppError({ code: 'not-signed-in', detail: 'API keys belong to wallets.' })
  }

  async function audit(caller: Caller, what: string, target: string): Promise<void> {
    const who = caller.kind === 'wallet' ? caller.address : 'operator'
    await ports.store.audit.append({ who, what, target, result: 'done', transactionHash: null })
  }

  app.get('/v1/wasm', { config: { access: 'signed-in' }, schema: { response: { 200: wasmSchema } } }, async ({ caller }) => {
    const { host: wasm, url } = host()
    const wallet = walletOf(caller)
    const facts = ports.facts()
    const own = wasmHoldingsOf(facts).filter(({ subscription }) => subscription.holder.toLowerCase() === wallet)
    const [usage, keys] = await Promise.all([
      wasm.usage(
        wallet,
        own.map(({ vmId }) => vmId),
      ),
      wasm.keys(wallet),
    ])
    const used = new Map(usage.used.map((row) => [row.payer, row]))
    const now = facts.heads?.latest.timestamp ?? ports.clock.now()
    return {
      url,
      now: ports.clock.now(),
      nextDayAt: (usage.day + 1) * 86_400,
      subscriptions: own.map(({ vmId, plan, subscription }) => ({
        vmId,
        planName: plan.name,
        gasPerDay: String(plan.gasPerDay),
        usedToday: used.get(vmId)?.gas ?? '0',
        runsToday: used.get(vmId)?.runs ?? 0,
        ...stateOf(entitlement(subscription, now)),
      })),
      freeGasPerDay: usage.freeGasPerDay,
      freeUsedToday: used.get(wallet)?.gas ?? '0',
      keys,
    }
  })

  app.post(
    '/v1/wasm/keys',
    {
      // not kept: the answer holds the key
      config: { access: 'signed-in', acts: 'key', rate },
      schema: { body: wantedWasmKeySchema, response: { 201: newWasmKeySchema } },
    },
    async ({ caller, body: { label, scopes, expiresInSeconds } }, reply) => {
      const wallet = walletOf(caller)
      const expiresAt = expiresInSeconds === undefined ? null : ports.clock.now() + expiresInSeconds
      const made = await host().host.createKey({ wallet, label, scopes, expiresAt })
      await audit(caller, 'wasm-key-made', made.id)
      return reply.code(201).send(made)
    },
  )

  /** A wallet touches its own keys, the host itself and nobody else all. */
  const whose = (caller: Caller): string | undefined => (caller.kind === 'host' ? undefined : walletOf(caller))

  app.delete(
    '/v1/wasm/keys/:keyId',
    { config: { access: 'signed-in', rate }, schema: { params: byId, response: { 204: z.null() } } },
    async ({ caller, params: { keyId } }, reply) => {
      await host().host.revokeKey(keyId, whose(caller))
      await audit(caller, 'wasm-key-revoked', keyId)
      return reply.code(204).send(null)
    },
  )

  app.post(
    '/v1/wasm/keys/:keyId/rotation',
    { config: { access: 'signed-in', acts: 'key', rate }, schema: { params: byId, response: { 201: newWasmKeySchema } } },
    async ({ caller, params: { keyId } }, reply) => {
      const made = await host().host.rotateKey(keyId, whose(caller))
      await audit(caller, 'wasm-key-rotated', keyId)
      return reply.code(201).send(made)
    },
  )

  app.get(
    '/v1/wasm/receipts',
    { config: { access: 'signed-in' }, schema: { querystring: cursorQuery, response: { 200: wasmReceiptsSchema } } },
    async ({ caller, query: { cursor } }) => {
      const { receipts } = await host().host.receipts(walletOf(caller), cursor)
      const last = receipts.at(-1)
      return { items: receipts, nextCursor: receipts.length < pageSize || last === undefined ? null : String(last.index) }
    },
  )

  // whoever has a receipt may ask: it names nobody, and a stranger is who it is for
  app.post(
    '/v1/wasm/receipt-checks',
    { config: { access: 'public', rate }, schema: { body: checkBody, response: { 200: wasmReceiptCheckSchema } } },
    ({ body: { receipt } }) => host().host.checkReceipt(receipt),
  )

  app.get(
    '/v1/wasm/operator',
    { config: { access: 'operator' }, schema: { response: { 200: wasmOperatorSchema } } },
    async () => {
      const { host: wasm, url } = host()
      const [{ health, outcomes, refused, executors, log }, keys] = await Promise.all([wasm.overview(), wasm.keys()])
      return {
        url,
        status: health.status,
        capacity: { max: health.capacity.max, inFlight: health.capacity.in_flight, queued: health.capacity.queued },
        memory: { bytes: health.memory_budget.bytes, admittedBytes: health.memory_budget.admitted_bytes },
        executors: { alive: executors.pids, wanted: executors.wanted, restarts: executors.restarts },
        uptimeSeconds: health.uptime_seconds,
        keyExpiresInSeconds: health.key_expires_in_seconds,
        receipts: { total: log.size, kept: log.kept },
        outcomes,
        refused,
        subscriptions: wasmHoldingsOf(ports.facts()).length,
        keys,
      }
    },
  )

  // the operator ends a key that is misused; the wallet may make another
  app.delete(
    '/v1/wasm/operator/keys/:keyId',
    { config: { access: 'operator', rate }, schema: { params: byId, response: { 204: z.null() } } },
    async ({ caller, params: { keyId } }, reply) => {
      await host().host.revokeKey(keyId)
      await audit(caller, 'wasm-key-revoked', keyId)
      return reply.code(204).send(null)
    },
  )
}

function stateOf(given: ReturnType<typeof entitlement>): {
  state: 'pending' | 'active' | 'grace' | 'grace-over'
  until: number | null
} {
  switch (given.kind) {
    case 'pending':
      return { state: 'pending', until: null }
    case 'active':
      return { state: 'active', until: given.until }
    case 'grace':
      return { state: 'grace', until: given.until }
    case 'graceOver':
      return { state: 'grace-over', until: given.since }
    case 'ended':
      return { state: 'grace-over', until: null }
  }
}
