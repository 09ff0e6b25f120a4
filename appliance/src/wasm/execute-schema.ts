import { z } from 'zod'

const argument = z.strictObject({
  value: z.union([z.number(), z.string().max(400)]),
  type: z.enum(['i32', 'i64', 'f32', 'f64']).optional(),
})

/** `POST /v1/execute`: the fields of the specification, and optional ones beside them. Unknown fields are refused. */
export const executeSchema = z.strictObject({
  encrypted_wasm: z.string(),
  function_name: z.string().min(1).max(500),
  arguments: z.array(argument).max(1000),
  /** The encapsulated secret: 65 bytes in base64. */
  public_key: z.string().max(200),
  request_metadata: z.strictObject({ client_id: z.string().max(200), version: z.string().max(50) }),
  timeout_seconds: z.number().int().min(1).max(300),
  key_id: z.string().max(64).optional(),
  gas_limit: z
    .string()
    .regex(/^\d{1,18}$/)
    .optional(),
  issued_at: z.iso.datetime().optional(),
  nonce: z.string().max(100).optional(),
  /** The two results name bytes of memory, which come back as well. */
  result_region: z.boolean().optional(),
})

/** `encrypted_wasm` in base64: text, or where it is large the bytes of that text, which the opener takes away. */
export type ExecuteRequest = Omit<z.output<typeof executeSchema>, 'encrypted_wasm'> & {
  encrypted_wasm: string | Uint8Array<ArrayBuffer>
}
