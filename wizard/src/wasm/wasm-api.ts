import {
  newWasmKeySchema,
  wasmOperatorSchema,
  wasmReceiptCheckSchema,
  wasmReceiptsSchema,
  wasmSchema,
  type NewWasmKey,
  type WasmOperatorView,
  type WasmReceiptCheck,
  type WasmView,
} from '@freehold/appliance/api/schemas/wasm'
import { z } from 'zod'
import { callApi } from '../api/client.ts'

const keyPath = (id: string) => `/v1/wasm/keys/${encodeURIComponent(id)}`

/** The calls of the WASM pages. All throw as callApi does. */
export const wasmApi = {
  own: (signal?: AbortSignal): Promise<WasmView> => callApi(wasmSchema, 'GET', '/v1/wasm', { signal }),
  operator: (signal?: AbortSignal): Promise<WasmOperatorView> =>
    callApi(wasmOperatorSchema, 'GET', '/v1/wasm/operator', { signal }),
  receipts: (cursor: string | undefined, signal?: AbortSignal): Promise<z.output<typeof wasmReceiptsSchema>> =>
    callApi(wasmReceiptsSchema, 'GET', `/v1/wasm/receipts${cursor === undefined ? '' : `?cursor=${cursor}`}`, { signal }),
  newKey: (label: string): Promise<NewWasmKey> => callApi(newWasmKeySchema, 'POST', '/v1/wasm/keys', { body: { label } }),
  rotateKey: (id: string): Promise<NewWasmKey> => callApi(newWasmKeySchema, 'POST', `${keyPath(id)}/rotation`),
  revokeKey: (id: string): Promise<unknown> => callApi(z.unknown(), 'DELETE', keyPath(id)),
  revokeAny: (id: string): Promise<unknown> => callApi(z.unknown(), 'DELETE', `/v1/wasm/operator/keys/${encodeURIComponent(id)}`),
  check: (receipt: string): Promise<WasmReceiptCheck> =>
    callApi(wasmReceiptCheckSchema, 'POST', '/v1/wasm/receipt-checks', { body: { receipt } }),
}
