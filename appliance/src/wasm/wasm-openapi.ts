import { z } from 'zod'
import { executeSchema } from './execute-schema.ts'
import { commitmentTypes } from './protocol/commitment.ts'
import { wasmErrors } from './wasm-error.ts'

const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` })
const json = (schema: unknown, description: string) => ({ description, content: { 'application/json': { schema } } })
const text = { type: 'string' } as const
const object = (required: readonly string[], properties: Record<string, unknown>) => ({ type: 'object', required, properties })

/** The contract of the service's public paths as OpenAPI 3.1; the schema of a request is the one that requests are held to. */
export function wasmOpenApi(): Record<string, unknown> {
  const refusals = Object.fromEntries(
    Map.groupBy(Object.entries(wasmErrors), ([, { status }]) => status)
      .entries()
      .map(([status, codes]) => [
        String(status),
        json(ref('Error'), codes.map(([code, { message }]) => `${code}: ${message}`).join('\n')),
      ]),
  )
  const secured = [{ apiKey: [] }]
  return {
    openapi: '3.1.1',
    info: {
      title: 'Freehold WASM hosting',
      version: '1',
      description:
        'The operator of a host can see what runs: there is no trusted execution environment. Receipts prove what ran.',
    },
    components: {
      securitySchemes: { apiKey: { type: 'apiKey', in: 'header', name: 'X-API-Key' } },
      schemas: {
        Execute: z.toJSONSchema(executeSchema, { target: 'draft-2020-12' }),
        Answer: object(['request_id', 'encrypted_result', 'result_commitment', 'execution_summary'], {
          request_id: { type: 'string', format: 'uuid' },
          encrypted_result: { type: 'string', contentEncoding: 'base64' },
          result_commitment: text,
          execution_summary: { type: 'object' },
          receipt: text,
        }),
        Error: object(['error_code', 'message', 'timestamp', 'request_id'], {
          error_code: { enum: Object.keys(wasmErrors) },
          message: text,
          timestamp: { type: 'string', format: 'date-time' },
          request_id: text,
        }),
      },
    },
    paths: {
      '/v1/execute': {
        post: {
          security: secured,
          description:
            'Runs a sealed program. A request that ended with 408 has run: seal it anew, the same one is refused with 409. With Idempotency-Key the same request gets the same answer for ten minutes.',
          requestBody: { required: true, content: { 'application/json': { schema: ref('Execute') } } },
          responses: { '200': json(ref('Answer'), 'The sealed result'), ...refusals },
        },
      },
      '/v1/keys': {
        get: { responses: { '200': json({ type: 'object' }, 'The keys to seal for, signed') } },
        post: { security: secured, responses: { '201': json({ type: 'object' }, 'A key for one request, for five minutes') } },
      },
      '/v1/verify/{request_id}': {
        get: {
          security: secured,
          parameters: [
            { name: 'request_id', in: 'path', required: true, schema: text },
            { name: 'commitment_type', in: 'query', required: true, schema: { enum: commitmentTypes } },
            { name: 'hash_value', in: 'query', required: true, schema: { type: 'string', pattern: '^[0-9a-f]{64}$' } },
          ],
          responses: {
            '200': json(
              { type: 'object' },
              'Whether it is what was committed to; its owner also gets the receipt, a proof of its place in the log, and as `log_head` the signed head that the proof leads to',
            ),
            '404': refusals['404'],
          },
        },
      },
      '/v1/log/head': { get: { responses: { '200': json({ type: 'object' }, 'Size and root of the log, signed') } } },
      '/v1/log/consistency': {
        get: {
          parameters: ['from', 'to'].map((name) => ({ name, in: 'query', required: true, schema: { type: 'integer' } })),
          responses: { '200': json({ type: 'object' }, 'That one log is the beginning of the other') },
        },
      },
      '/health': { get: { responses: { '200': json({ type: 'object' }, 'How it goes') } } },
      '/metrics': { get: { security: secured, responses: { '200': { description: 'For Prometheus' } } } },
    },
  }
}
