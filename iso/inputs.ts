import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

const root = resolve(import.meta.dirname, '..')

/** What an image is made of, in two hashes: how it is made, and the product that is in it. */
export interface Inputs {
  /** What of `iso/` goes into it, recipes and units of our packages, the guest image's recipe, what builds them. */
  image: string
  /** Sources of the daemon, the pages, the guests' login module, and the npm packages. */
  packages: string
}

const imagePaths = [
  'iso/build',
  'iso/config',
  'iso/installer',
  'iso/proxmox',
  'iso/units',
  'packaging/freehold',
  'packaging/freehold-web',
  'appliance/units',
  'scripts/build-iso.sh',
  'scripts/build-deb.sh',
  'scripts/build-template.sh',
  'scripts/deb',
  'template-vm',
]
const packagePaths = [
  'appliance',
  'wizard',
  'contracts/deploy',
  'pam-web3',
  'package.json',
  'package-lock.json',
  'scripts/build-pam-web3.sh',
  'scripts/build-wasmtime-node.sh',
  'scripts/build-wizard.sh',
  'scripts/npm-package.ts',
]
/** Tests, texts for people and what only a checkout has change no image. */
const inNone = /\.(test|suite|e2e)\.ts$|\/test-[^/]*\.ts$|\/tests?\/|\.md$|^appliance\/src\/dev\//

/** The files behind each hash, none in both; those that git knows, from the root of the tree. */
export function inputFiles(): { image: readonly string[]; packages: readonly string[] } {
  const files = (paths: readonly string[]): string[] =>
    execFileSync('git', ['-C', root, 'ls-files', '-z', '--', ...paths], { encoding: 'utf8', maxBuffer: 64 * 2 ** 20 })
      .split('\0')
      .filter((file) => file !== '' && !inNone.test(file))
      .sort()
  const image = files(imagePaths)
  return { image, packages: files(packagePaths).filter((file) => !image.includes(file)) }
}

/** Cheap: reads the files as they lie in the tree. */
export function inputs(): Inputs {
  const hash = (list: readonly string[]): string => {
    const sum = createHash('sha256')
    for (const file of list)
      sum.update(`${file}\0`).update(
        createHash('sha256')
          .update(readFileSync(join(root, file)))
          .digest(),
      )
    return sum.digest('hex').slice(0, 32)
  }
  const { image, packages } = inputFiles()
  return { image: hash(image), packages: hash(packages) }
}

export const passedFile = join(import.meta.dirname, 'passed.json')
/** What the last run that passed had; committed with the change that it passed. */
export const passed = (): Inputs => JSON.parse(readFileSync(passedFile, 'utf8')) as Inputs
