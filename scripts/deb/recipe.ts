// Reads the folder of a package below packaging/: what goes where. One line, one thing; `#` begins a remark.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** What `packaging/NAME/` says. Paths on the left are in the tree, on the right in the package, without a leading slash. */
export interface Recipe {
  name: string
  folder: string
  /** The text of `control` without Version and Installed-Size. */
  control: string
  install: readonly (readonly [from: string, to: string])[]
  /** Target of the link, and the link, as `ln -s` has them. */
  links: readonly (readonly [to: string, link: string])[]
  npmPackages: readonly string[]
  /** Where `node_modules` goes. */
  npmFolder: string
  scripts: readonly string[]
  conffiles: readonly string[]
}

const maintainerScripts = ['preinst', 'postinst', 'prerm', 'postrm']

export function readRecipe(root: string, name: string): Recipe {
  const folder = join(root, 'packaging', name)
  if (!existsSync(join(folder, 'control'))) throw new Error(`packaging/${name}/control is not there: no such package`)
  const lines = (file: string): string[] =>
    existsSync(join(folder, file))
      ? readFileSync(join(folder, file), 'utf8')
          .split('\n')
          .map((line) => line.trim())
          .filter((line) => line !== '' && !line.startsWith('#'))
      : []
  const pairs = (file: string) =>
    lines(file).map((line) => {
      const [from, to, more] = line.split(/\s+/)
      if (from === undefined || to === undefined || more !== undefined)
        throw new Error(`packaging/${name}/${file}: a line is two paths, not "${line}"`)
      return [from.replace(/^\//, ''), to.replace(/^\//, '')] as const
    })
  return {
    name,
    folder,
    control: readFileSync(join(folder, 'control'), 'utf8').trim(),
    install: pairs('install'),
    links: pairs('links'),
    npmPackages: lines('npm-packages'),
    npmFolder: `opt/${name}/node_modules`,
    scripts: maintainerScripts.filter((script) => existsSync(join(folder, script))),
    conffiles: lines('conffiles'),
  }
}
