// Has the compiler's SMT checker prove MoneyRules.sol, with z3 as its solver, and prints each claim as TAP.
// `node proofs/prove.ts Z3`: the path of z3. A claim that is not proved fails, and so does a run in which none was made.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

interface Compiler {
  compile(input: string, callbacks: { smtSolver(query: string): { contents: string } }): string
}

const secondsPerClaim = 120
const z3 = process.argv[2] ?? 'z3'
const source = (path: string) => ({ content: readFileSync(join(import.meta.dirname, '..', path), 'utf8') })
const file = 'proofs/MoneyRules.sol'
const claims = (source(file).content.match(/\bassert\(/g) ?? []).length

// this compiler has no solver that runs here: it writes the question and takes the answer
function smtSolver(query: string): { contents: string } {
  const { stdout } = spawnSync(z3, ['-in', `-T:${secondsPerClaim}`], { input: query, encoding: 'utf8', maxBuffer: 2 ** 26 })
  return { contents: stdout }
}

const compiler = createRequire(import.meta.url)('solc') as Compiler
const settings = {
  modelChecker: {
    // the rules have no loops and no state: what the bounded engine proves of them holds without a bound
    engine: 'bmc',
    contracts: { [file]: ['MoneyRules'] },
    targets: ['assert', 'overflow', 'underflow', 'divByZero'],
    solvers: ['smtlib2'],
    timeout: secondsPerClaim * 1000,
    showUnproved: true,
    showProvedSafe: true,
  },
  outputSelection: { '*': { '*': [] } },
}
const sources = { [file]: source(file), 'src/Earning.sol': source('src/Earning.sol') }
const answer = JSON.parse(compiler.compile(JSON.stringify({ language: 'Solidity', sources, settings }), { smtSolver })) as {
  errors?: { formattedMessage: string; message: string; severity: string }[]
}
const told = answer.errors ?? []
const proved = told.filter(({ message }) => /^BMC: .* is safe!/.test(message))
const asserted = proved.filter(({ message }) => message.includes('Assertion violation'))
const rest = told.filter((one) => !proved.includes(one) && !/engine of the SMTChecker is deprecated/.test(one.message))
for (const { formattedMessage } of rest) process.stderr.write(`${formattedMessage}\n`)
const all = claims > 0 && asserted.length === claims
process.stdout.write(`${all ? 'ok' : 'not ok'} 1 - ${asserted.length} of ${claims} claims about money are proved\n`)
process.stdout.write(
  `${rest.length === 0 ? 'ok' : 'not ok'} 2 - ${proved.length - asserted.length} sums, products and divisions cannot fail, ${rest.length} may\n`,
)
process.exitCode = all && rest.length === 0 ? 0 : 1
