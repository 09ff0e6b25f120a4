import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { runOrFail } from './run.ts'

test('the package that would be published works in a plain JavaScript project and holds no test', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'wireguard-package-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const out = join(folder, 'out')
  mkdirSync(out)
  const file = (
    await runOrFail('make the package', process.execPath, [join(import.meta.dirname, '../package.ts'), out], {
      timeoutMs: 60_000,
    })
  ).trim()
  const installed = join(folder, 'project/node_modules/wireguard-ts')
  mkdirSync(installed, { recursive: true })
  await runOrFail('unpack', 'tar', ['-xzf', file, '--strip-components=1', '-C', installed])
  // its one dependency, as npm would have put it there
  symlinkSync(join(import.meta.dirname, '../../../node_modules/qrcode'), join(folder, 'project/node_modules/qrcode'))
  assert.deepEqual(
    readdirSync(join(installed, 'dist'), { recursive: true }).filter((name) => /test|suite/.test(String(name))),
    [],
  )
  writeFileSync(
    join(folder, 'project/main.mjs'),
    `import { generateKeyPair, publicKeyOf } from 'wireguard-ts/key'
import { parseQuickText } from 'wireguard-ts/quick-text'
import { exportConfig } from 'wireguard-ts/qr'
import { serveUdpOverTcp } from 'wireguard-ts/udp-over-tcp/server'
const { privateKey, publicKey } = generateKeyPair()
const { svg, terminal } = await exportConfig(parseQuickText('[Interface]\\nPrivateKey = ' + privateKey))
console.log(publicKeyOf(privateKey) === publicKey, svg.startsWith('<svg'), terminal.includes('█'), typeof serveUdpOverTcp)
`,
  )
  const said = await runOrFail('use the package', process.execPath, [join(folder, 'project/main.mjs')])
  assert.equal(said.trim(), 'true true true function')
})
