import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { test } from 'node:test'
import { parseConfig } from './load.ts'
import { shownSettings } from './shown-settings.ts'

test('denies to show the path of an RPC address, where providers put keys', async () => {
  const file = resolve(import.meta.dirname, '../../../scripts/embedded.yaml')
  const config = parseConfig(await readFile(file, 'utf8'), file)
  config.chain.rpcUrls = ['https://user:word@rpc.example/v2/a-secret-key', 'http://127.0.0.1:8545']
  const shown = shownSettings(config)
  assert.equal(shown.find((s) => s.key === 'chain.rpcUrls')?.value, 'rpc.example, 127.0.0.1:8545')
  assert.doesNotMatch(JSON.stringify(shown), /secret|word/)
  assert.equal(shown.find((s) => s.key === 'mode')?.value, 'embedded')
})
