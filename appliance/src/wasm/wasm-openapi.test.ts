import assert from 'node:assert/strict'
import { test } from 'node:test'
import { executeSchema } from './execute-schema.ts'
import { wasmErrors } from './wasm-error.ts'
import { wasmOpenApi } from './wasm-openapi.ts'

test('the document tells the fields that requests are held to, and every error code under its status', () => {
  const document = wasmOpenApi() as {
    paths: Record<string, { post: { responses: Record<string, { description: string }> } }>
    components: { schemas: { Execute: { properties: object; required: string[]; additionalProperties: boolean } } }
  }
  const { properties, required, additionalProperties } = document.components.schemas.Execute
  assert.deepEqual(Object.keys(properties).toSorted(), Object.keys(executeSchema.shape).toSorted())
  // a request with the fields of the specification and no others works
  assert.deepEqual(required.toSorted(), [
    'arguments',
    'encrypted_wasm',
    'function_name',
    'public_key',
    'request_metadata',
    'timeout_seconds',
  ])
  assert.equal(additionalProperties, false)
  const { responses } = document.paths['/v1/execute']?.post ?? { responses: {} }
  for (const [code, { status }] of Object.entries(wasmErrors))
    assert.match(responses[status]?.description ?? '', new RegExp(`^${code}:`, 'm'))
})
