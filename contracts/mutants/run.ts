// Breaks the contract in one place at a time and fails unless the test named for it does. Prints TAP.
// `node mutants/run.ts` in contracts/ tries the few of CI, `--all` every one, `--of InvariantsTest` those of one suite (or of one test). The
// tests are those built by forge; only the bytecode that they deploy is replaced by that of the broken sources, so that a
// mutant costs one compilation of one contract.
import { spawn } from 'node:child_process'
import { realpathSync } from 'node:fs'
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { mutants, type Mutant } from './mutants.ts'

const workspace = join(import.meta.dirname, '..')
// the compiler looks where links lead
const modules = realpathSync(join(workspace, '../node_modules'))
const environment = {
  ...process.env,
  PATH: `${join(modules, '.bin')}:${process.env['PATH'] ?? ''}`,
  FOUNDRY_PROFILE: 'default',
  // not optimised: half the time of the compiler
  FOUNDRY_CODE_SIZE_LIMIT: '100000',
}
/** What is deployed, and the sources that it is made of. */
const contracts = {
  Subscriptions: ['Earning', 'PassImage', 'Plans', 'Subscriptions'],
  BrokerRegistry: ['BrokerRegistry'],
} as const satisfies Record<string, readonly Mutant['file'][]>
type ContractName = keyof typeof contracts
/** Creation code of each contract that tests deploy. */
type Codes = Record<ContractName, string>
const twoAtATime = 2

function run(command: string, args: readonly string[], cwd: string, input = ''): Promise<{ code: number; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env: environment, timeout: 300_000 })
    let output = ''
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()))
    child.once('error', reject)
    child.once('close', (code) => resolve({ code: code ?? 1, output }))
    child.stdin.end(input)
  })
}

/** The creation code of a contract with `mutant` in its sources. Throws where they do not compile. */
async function compile(contract: ContractName, mutant: Mutant | undefined): Promise<string> {
  const sources: Record<string, { content: string }> = {}
  for (const name of contracts[contract]) {
    let content = await readFile(join(workspace, 'src', `${name}.sol`), 'utf8')
    if (mutant?.file === name) {
      const times = content.split(mutant.before).length - 1
      if (times !== 1) throw new Error(`what it replaces stands ${times} times in ${name}.sol`)
      content = content.replace(mutant.before, () => mutant.after)
    }
    sources[`src/${name}.sol`] = { content }
  }
  const input = {
    language: 'Solidity',
    sources,
    settings: {
      viaIR: true,
      evmVersion: 'prague',
      remappings: ['@openzeppelin/contracts/=lib/@openzeppelin/contracts/'],
      metadata: { bytecodeHash: 'none' },
      outputSelection: { [`src/${contract}.sol`]: { [contract]: ['evm.bytecode.object'] } },
    },
  }
  const allowed = ['--base-path', workspace, '--allow-paths', modules]
  const { output } = await run(join(workspace, 'bin/solc'), ['--standard-json', ...allowed], workspace, JSON.stringify(input))
  const answer = JSON.parse(output) as {
    errors?: { severity: string; formattedMessage: string }[]
    contracts?: Record<string, Record<string, { evm: { bytecode: { object: string } } }>>
  }
  const error = answer.errors?.find(({ severity }) => severity === 'error')
  if (error !== undefined) throw new Error(`it does not compile: ${error.formattedMessage}`)
  return `0x${answer.contracts?.[`src/${contract}.sol`]?.[contract]?.evm.bytecode.object ?? ''}`
}

async function copyOfWorkspace(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'mutants-'))
  await symlink(modules, join(folder, 'node_modules'))
  const parts = ['bin', 'cache', 'deploy', 'foundry.toml', 'lib', 'out', 'package.json', 'src', 'test']
  for (const part of parts) {
    await cp(join(workspace, part), join(folder, 'contracts', part), {
      recursive: true,
      verbatimSymlinks: true,
      preserveTimestamps: true,
    })
  }
  return folder
}

/** Runs tests of the copy against that bytecode. */
async function suite(
  folder: string,
  codes: Codes,
  tests: readonly string[],
): Promise<{ passed: number; failed: number; output: string }> {
  // all of them each time: what an earlier mutant broke must not kill this one
  for (const [name, code] of Object.entries(codes)) {
    const file = join(folder, `contracts/out/${name}.sol/${name}.json`)
    const artifact = JSON.parse(await readFile(file, 'utf8')) as { bytecode: { object: string } }
    artifact.bytecode.object = code
    await writeFile(file, JSON.stringify(artifact))
  }
  // else the world that killed the last one is played again, and kills this one for another reason
  await rm(join(folder, 'contracts/cache/invariant'), { recursive: true, force: true })
  const contracts = [...new Set(tests.map((name) => name.split('.')[0]))].join('|')
  const functions = tests.map((name) => name.split('.')[1]).join('|')
  const filter = ['--match-contract', `^(${contracts})$`, '--match-test', `^(${functions})\\(`]
  const { output } = await run('forge', ['test', '--fuzz-seed', '0x1', ...filter], join(folder, 'contracts'))
  const [, passed, failed] = /(\d+) tests passed, (\d+) failed/.exec(output) ?? []
  if (passed === undefined || /Compiling/.test(output)) throw new Error(`the suite did not run as built: ${output.slice(-2000)}`)
  return { passed: Number(passed), failed: Number(failed), output }
}

async function tryOne(mutant: Mutant, sound: Codes, folder: string): Promise<string | undefined> {
  try {
    const broken = mutant.file === 'BrokerRegistry' ? 'BrokerRegistry' : 'Subscriptions'
    const codes = { ...sound, [broken]: await compile(broken, mutant) }
    const { failed, output } = await suite(folder, codes, [mutant.killedBy])
    if (failed !== 1) return 'it lives'
    return mutant.says === undefined || output.includes(`("${mutant.says}"`) ? undefined : `it dies of something else: ${output}`
  } catch (error) {
    return String(error)
  }
}

const { values } = parseArgs({ options: { all: { type: 'boolean' }, of: { type: 'string' } } })
const chosen = mutants.filter(({ always, killedBy }) =>
  values.of === undefined ? always === true || values.all === true : `${killedBy}.`.startsWith(`${values.of}.`),
)
// what the tests are built from is what is broken below
const build = await run('forge', ['build'], workspace)
if (build.code !== 0) throw new Error(build.output)
const folders = await Promise.all(Array.from({ length: twoAtATime }, copyOfWorkspace))
try {
  const tests = [...new Set(chosen.map(({ killedBy }) => killedBy))]
  const codes: Codes = {
    Subscriptions: await compile('Subscriptions', undefined),
    BrokerRegistry: await compile('BrokerRegistry', undefined),
  }
  const whole = await suite(folders[0] ?? '', codes, tests)
  const sound = whole.failed === 0 && whole.passed === tests.length
  process.stdout.write(`${sound ? 'ok' : 'not ok'} 1 - the tests named pass against the contract as it is\n`)
  if (!sound) process.stdout.write(whole.output)
  let next = 0
  let alive = sound ? 0 : 1
  await Promise.all(
    folders.map(async (folder) => {
      for (let i = next++; i < chosen.length; i = next++) {
        const mutant = chosen[i]
        if (mutant === undefined) return
        const trouble = await tryOne(mutant, codes, folder)
        if (trouble !== undefined) alive += 1
        const line = `${i + 2} - ${mutant.breaks}: killed by ${mutant.killedBy}`
        process.stdout.write(trouble === undefined ? `ok ${line}\n` : `not ok ${line}\n  ${trouble}\n`)
      }
    }),
  )
  process.exitCode = alive === 0 ? 0 : 1
} finally {
  await Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true })))
}
