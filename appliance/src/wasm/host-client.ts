import { Agent, request as httpRequest } from 'node:http'
import { z } from 'zod'
import { AppError } from '../errors/app-error.ts'
import { errorCatalogue, type ErrorCode } from '../errors/catalogue.ts'
import {
  keyListSchema,
  madeKeySchema,
  type newHostKeySchema,
  overviewSchema,
  receiptCheckedSchema,
  receiptsSchema,
  usageSchema,
} from './host-messages.ts'
import type { PlanRow } from './plan-table.ts'

export type HostKeyView = z.output<typeof keyListSchema>['keys'][number]
export type MadeHostKey = z.output<typeof madeKeySchema>
export type WasmUsage = z.output<typeof usageSchema>
export type WasmReceipts = z.output<typeof receiptsSchema>
export type CheckedReceipt = z.output<typeof receiptCheckedSchema>
export type WasmOverviewView = z.output<typeof overviewSchema>

/** What freeholdd asks of freehold-wasmd. All throw AppError `wasm-down`, or what the service said. */
export interface WasmHost {
  /** Replaces what wallets may spend; undefined: not known at the moment. */
  setPlans(rows: readonly PlanRow[] | undefined): Promise<void>
  /** Keys of a wallet, or of all. */
  keys(wallet?: string): Promise<HostKeyView[]>
  /** The key's text is in the answer and nowhere else. */
  createKey(wanted: z.input<typeof newHostKeySchema>): Promise<MadeHostKey>
  revokeKey(id: string, wallet?: string): Promise<void>
  rotateKey(id: string, wallet?: string): Promise<MadeHostKey>
  usage(wallet: string, payers: readonly string[]): Promise<WasmUsage>
  receipts(wallet: string, before?: number): Promise<WasmReceipts>
  checkReceipt(jws: string): Promise<CheckedReceipt>
  overview(): Promise<WasmOverviewView>
  close(): void
}

const problem = z.looseObject({
  code: z.string(),
  detail: z.string(),
  hint: z.string(),
  errors: z.array(z.looseObject({ pointer: z.string(), detail: z.string() })).optional(),
})

/** The service over its own door, a unix socket. */
export function createWasmClient(socketPath: string, options: { timeoutMs?: number } = {}): WasmHost {
  const agent = new Agent({ keepAlive: true, maxSockets: 16 })

  async function call<T extends z.ZodType>(schema: T, method: string, path: string, body?: unknown): Promise<z.output<T>> {
    const { status, text } = await send(method, path, body)
    const value: unknown = text === '' ? null : parseJson(text)
    if (status >= 200 && status < 300) {
      const parsed = schema.safeParse(value)
      if (parsed.success) return parsed.data
      throw down('Its answer could not be read.', parsed.error)
    }
    const told = problem.safeParse(value)
    if (!told.success || !(told.data.code in errorCatalogue)) throw down('Its answer could not be read.')
    const { code, detail, hint, errors } = told.data
    throw new AppError({ code: code as ErrorCode, detail, hint, ...(errors !== undefined && { fields: errors }) })
  }

  function send(method: string, path: string, body: unknown): Promise<{ status: number; text: string }> {
    const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>()
    const payload = body === undefined ? undefined : JSON.stringify(body)
    const request = httpRequest(
      {
        socketPath,
        method,
        path,
        agent,
        timeout: options.timeoutMs ?? 10_000,
        ...(payload !== undefined && {
          headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) },
        }),
      },
      (response) => {
        let text = ''
        response.setEncoding('utf8')
        response.on('data', (part: string) => (text += part))
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
        response.on('error', (cause) => reject(down('Its answer broke off.', cause)))
      },
    )
    request.on('timeout', () => request.destroy(new Error('no answer in time')))
    request.on('error', (cause) => reject(down('Nobody answers at its socket.', cause)))
    request.end(payload)
    return promise
  }

  const whose = (wallet: string | undefined) => (wallet === undefined ? '' : `?wallet=${wallet}`)
  return {
    async setPlans(rows) {
      const plans = rows?.map((row) => ({ ...row, gasPerDay: String(row.gasPerDay) })) ?? null
      await call(z.null(), 'PUT', '/host/v1/plans', { plans })
    },
    keys: async (wallet) => (await call(keyListSchema, 'GET', `/host/v1/keys${whose(wallet)}`)).keys,
    createKey: (wanted) => call(madeKeySchema, 'POST', '/host/v1/keys', wanted),
    revokeKey: async (id, wallet) =>
      void (await call(z.null(), 'DELETE', `/host/v1/keys/${encodeURIComponent(id)}${whose(wallet)}`)),
    rotateKey: (id, wallet) => call(madeKeySchema, 'POST', `/host/v1/keys/${encodeURIComponent(id)}/rotation${whose(wallet)}`),
    usage: (wallet, payers) => call(usageSchema, 'GET', `/host/v1/usage?wallet=${wallet}&payers=${payers.join(',')}`),
    receipts: (wallet, before) =>
      call(receiptsSchema, 'GET', `/host/v1/receipts?wallet=${wallet}${before === undefined ? '' : `&before=${before}`}`),
    checkReceipt: (receipt) => call(receiptCheckedSchema, 'POST', '/host/v1/receipt-checks', { receipt }),
    overview: () => call(overviewSchema, 'GET', '/host/v1/overview'),
    close: () => agent.destroy(),
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function down(detail: string, cause?: unknown): AppError {
  return new AppError({ code: 'wasm-down', detail, cause })
}
