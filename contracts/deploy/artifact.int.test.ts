import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile, cp, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { promisify } from 'node:util'
import { Interface } from 'ethers'
import { subscriptionsBytecode, subscriptionsInterface } from './subscriptions-interface.ts'

const run = promisify(execFile)
const workspace = join(import.meta.dirname, '..')
const tools = join(workspace, '../node_modules/.bin')
const environment = { ...process.env, PATH: `${tools}:${process.env['PATH'] ?? ''}` }

async function checkArtifact(folder: string): Promise<void> {
  const options = { cwd: folder, env: environment, timeout: 300_000, maxBuffer: 2 ** 26 }
  await run('forge', ['build', '--skip', 'test'], options)
  await run(process.execPath, ['deploy/write-artifacts.ts', '--check'], options)
}

describe('the artifacts', () => {
  it('are refused when they are not what the sources give', async () => {
    const copy = await mkdtemp(join(tmpdir(), 'contracts-'))
    try {
      // the built output is enough: only the comparison is tried here
      await run('forge', ['build', '--skip', 'test'], { cwd: workspace, env: environment, timeout: 300_000, maxBuffer: 2 ** 26 })
      await cp(join(workspace, 'deploy'), join(copy, 'deploy'), { recursive: true })
      await symlink(join(workspace, 'out'), join(copy, 'out'))
      const file = join(copy, 'deploy/subscriptions-artifact.json')
      await writeFile(file, (await readFile(file, 'utf8')).replace('"activate"', '"activated"'))
      const check = run(process.execPath, ['deploy/write-artifacts.ts', '--check'], { cwd: copy, timeout: 30_000 })
      await assert.rejects(check, { code: 1, stderr: /subscriptions-artifact\.json is not what the sources give/ })
    } finally {
      await rm(copy, { recursive: true })
    }
  })

  it('are what the sources give', () => checkArtifact(workspace))

  it('fit the limits of a chain: 24,576 bytes of code (EIP-170), twice that to create it (EIP-3860)', async () => {
    const built = JSON.parse(await readFile(join(workspace, 'out/Subscriptions.sol/Subscriptions.json'), 'utf8')) as {
      deployedBytecode: { object: string }
    }
    assert.ok((built.deployedBytecode.object.length - 2) / 2 <= 24_576)
    assert.ok((subscriptionsBytecode.length - 2) / 2 <= 49_152)
  })

  it('hold the whole ABI, in a snapshot', async () => {
    const expected = new Interface(
      (await readFile(join(import.meta.dirname, 'subscriptions.abi.txt'), 'utf8')).trim().split('\n'),
    )
    assert.deepEqual(subscriptionsInterface.format().toSorted(), expected.format().toSorted())
  })
})
