import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { Agent, request } from 'node:https'
import { join, resolve } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { startInstalledWizard, type InstalledWizardStand } from '../testing/stands/installed-wizard.ts'

// What freehold-apply.service does with an answer file, with the processes of an installed host outside any machine, the hypervisor
// played; open.vm.test.ts does the same in a machine. With --all only: the pages are built.
if (process.env['FREEHOLD_ALL'] === '1') {
  suite('an answer file on an installed host', () => {
    let host: InstalledWizardStand
    before(async () => {
      host = await startInstalledWizard()
    })
    after(() => host?.stop())

    async function seenAt(origin: URL, path: string): Promise<{ status: number; text: string }> {
      const options = {
        agent: new Agent({ rejectUnauthorized: false }),
        host: '127.0.0.1',
        port: origin.port,
        servername: 'localhost',
        path,
      }
      const asked = request({ ...options, headers: { host: origin.host }, timeout: 60_000 })
      asked.on('timeout', () => asked.destroy(new Error('no answer')))
      asked.end()
      const [answer] = (await once(asked, 'response')) as [IncomingMessage]
      let text = ''
      for await (const part of answer) text += String(part)
      return { status: answer.statusCode ?? 0, text }
    }

    test('M10 it names no listeners, waits for money only, and opens a storefront that its front serves', async () => {
      const origin = new URL(`https://shop.example:${host.httpsPort}`)
      const file = join(host.stateFolder, 'answers.yaml')
      await writeFile(
        file,
        `version: 1
mode: installed
origin: ${origin.origin}
chain: { chainId: 31337, rpcUrls: ["${host.chain.url}"], confirmations: 1 }
roles: { owner: "0x70997970C51812dc3A010C7d01b50e0d17dc79C8", treasury: "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC" }
plans:
  - { name: Small, vcpus: 1, memoryMiB: 512, diskGiB: 4, graceDays: 7, capacity: 4, prices: { native: "1000" } }
hypervisor: { kind: fake, createSeconds: 0 }
`,
        { mode: 0o600 },
      )
      const apply = spawn(
        resolve(import.meta.dirname, '../appliance/bin/freehold'),
        ['--state', host.stateFolder, 'apply', file],
        {
          stdio: ['ignore', 'pipe', 'pipe'],
          timeout: 300_000,
        },
      )
      let said = ''
      const paid = Promise.withResolvers<void>()
      const hear = (part: Buffer): void => {
        said += part.toString()
        const payee = /waiting for [\d.]+ at (0x[0-9a-fA-F]{40})/.exec(said)?.[1]
        if (payee !== undefined)
          host.chain.rpc('anvil_setBalance', payee, '0xde0b6b3a7640000').then(() => paid.resolve(), paid.reject)
      }
      apply.stdout.on('data', hear)
      apply.stderr.on('data', hear)
      const [code] = (await once(apply, 'close')) as [number | null]
      assert.equal(code, 0, said)
      await paid.promise
      const status = await seenAt(origin, '/v1/status')
      assert.match(status.text, /"storefront":"open"/)
      const plans = await seenAt(origin, '/v1/plans')
      assert.match(plans.text, /"name":"Small"/)
      const page = await seenAt(origin, '/')
      assert.equal(page.status, 200)
      assert.match(page.text, /Small/)
    })
  })
}
