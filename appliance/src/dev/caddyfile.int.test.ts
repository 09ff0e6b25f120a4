import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { caddyfile } from './caddyfile.ts'

for (const wasm of [undefined, { host: 'wasm.localhost:8080', upstream: '127.0.0.1:8430' }]) {
  test(`Caddy's own checker accepts the configuration${wasm === undefined ? '' : ' with WASM hosting'}`, () => check(wasm))
}

async function check(wasm: { host: string; upstream: string } | undefined): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'fh-caddy-'))
  try {
    const file = join(folder, 'Caddyfile')
    await writeFile(
      file,
      caddyfile({ origin: 'http://localhost:8080', apiSocket: '/tmp/fh/api.sock', web: '127.0.0.1:3000', ...(wasm && { wasm }) }),
    )
    const { stdout, stderr } = await promisify(execFile)('caddy', ['validate', '--adapter', 'caddyfile', '--config', file], {
      timeout: 20_000,
    })
    assert.match(stdout + stderr, /Valid configuration/)
  } finally {
    await rm(folder, { recursive: true })
  }
}
