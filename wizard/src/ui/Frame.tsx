'use client'
import Link from 'next/link'
import { usePathname, useRouter } from 'next/navigation'
import { useEffect, useId, useRef, useState, type ReactNode } from 'react'
import { useHost } from '../api/host-context.tsx'
import { readLink } from '../api/link.ts'
import { utcClock } from '../format/time.ts'
import { useTexts } from '../i18n/text-context.tsx'
import { isLocale, locales } from '../messages/catalogue.ts'
import { classes } from './classes.ts'
import { CommandKeys } from './CommandKeys.tsx'
import { textLink } from './link-button.ts'
import { Notice } from './Notice.tsx'
import { isTheme, themes, type Theme } from './theme.ts'

/** What stands around every page: skip link, navigation, the banner of a lost link, language and theme. */
export function Frame({ theme, children }: { theme: Theme; children: ReactNode }) {
  const { t } = useTexts()
  const main = useRef<HTMLElement>(null)
  const path = usePathname()
  const { status } = useHost()
  const seen = useRef(path)
  // lists of a whole host want room; text to read does not
  const width = path.startsWith('/operator') ? 'max-w-7xl' : 'max-w-5xl'
  // Next announces the new title; the focus has to be brought there by us
  useEffect(() => {
    if (seen.current === path) return
    seen.current = path
    main.current?.focus({ preventScroll: true })
  }, [path])
  return (
    <div className="flex min-h-dvh flex-col">
      <a
        href="#main"
        className="sr-only rounded-lg bg-brand px-4 py-2 font-medium text-on-brand focus:not-sr-only focus:absolute focus:top-2 focus:left-2 focus:z-10"
      >
        {t('nav.skip')}
      </a>
      <header className="border-b border-line bg-card">
        <div className={classes('mx-auto flex flex-wrap items-center justify-between gap-x-6 gap-y-1 px-4 py-2 sm:px-6', width)}>
          <Link href="/" className="flex min-h-11 items-center gap-2.5 text-lg font-semibold tracking-tight">
            <Mark />
            {t('app.name')}
          </Link>
          <nav aria-label={t('nav.label')}>
            <ul className="flex gap-1">
              <NavLink href="/" current={path === '/' || path.startsWith('/plans')}>
                {t('nav.home')}
              </NavLink>
              <NavLink href="/my" current={path === '/my' || path.startsWith('/vms')}>
                {t('nav.my')}
              </NavLink>
              {status?.wasm === true && (
                <NavLink href="/wasm" current={path.startsWith('/wasm')}>
                  {t('nav.wasm')}
                </NavLink>
              )}
            </ul>
          </nav>
        </div>
      </header>
      <LostLink width={width} />
      <main id="main" ref={main} tabIndex={-1} className={classes('mx-auto w-full flex-1 px-4 py-8 sm:px-6 sm:py-12', width)}>
        {children}
      </main>
      <Footer theme={theme} width={width} />
    </div>
  )
}

function NavLink({ href, current, children }: { href: string; current: boolean; children: ReactNode }) {
  return (
    <li>
      <Link
        href={href}
        aria-current={current ? 'page' : undefined}
        className={classes(
          'inline-flex min-h-11 items-center rounded-lg px-3 font-medium',
          current ? 'bg-brand-tint text-brand underline underline-offset-8' : 'text-ink hover:bg-sunk',
        )}
      >
        {children}
      </Link>
    </li>
  )
}

function Mark() {
  return (
    <svg aria-hidden="true" viewBox="0 0 32 32" className="size-7 text-brand">
      <rect width="32" height="32" rx="8" fill="currentColor" />
      <path d="M7 15.2 16 8l9 7.2V24h-6v-5.5h-6V24H7z" className="fill-card" />
    </svg>
  )
}

/** The last known data stay; this says how old they are (X6). */
function LostLink({ width }: { width: string }) {
  const { t, locale } = useTexts()
  const { lost, status } = useHost()
  const { answeredAt } = readLink()
  return (
    <div role="status" className={classes('mx-auto w-full space-y-3 px-4 empty:hidden sm:px-6 [&>*]:mt-4', width)}>
      {lost && answeredAt > 0 && (
        <Notice tone="warn" title={t('link.lost.title')}>
          <p>{t('link.lost.asOf', { time: utcClock(answeredAt / 1000, locale) })}</p>
        </Notice>
      )}
      {status?.notices
        .filter((notice) => notice.code === 'demo')
        .map((notice) => (
          <Notice key={notice.code} tone="warn">
            <p>{t('demo.text')}</p>
          </Notice>
        ))}
      {/* a host that is not set up has no network yet */}
      {!lost && status?.chain.stale === true && status.chain.chainId !== 0 && (
        <Notice tone="warn">
          <p>{t('link.stale')}</p>
        </Notice>
      )}
    </div>
  )
}

function remember(name: string, value: string) {
  document.cookie = `${name}=${value}; path=/; max-age=31536000; samesite=lax`
}

function Footer({ theme, width }: { theme: Theme; width: string }) {
  const { t, locale } = useTexts()
  const { status } = useHost()
  const router = useRouter()
  const [chosen, setChosen] = useState(theme)
  return (
    <footer className="mt-8 border-t border-line">
      <div className={classes('mx-auto flex flex-wrap items-end justify-between gap-6 px-4 py-8 text-sm sm:px-6', width)}>
        <div className="max-w-xl space-y-1 text-soft">
          <p>{t('footer.help')}</p>
          <p>
            {/* subscribers need none of its scripts */}
            <Link href="/operator" prefetch={false} className={textLink}>
              {t('footer.operator')}
            </Link>
          </p>
          <p>
            <CommandKeys className={textLink} />
          </p>
          <p className="min-h-6">
            {status !== undefined &&
              status.chain.chainId !== 0 &&
              t('footer.version', { version: status.version, network: status.chain.name })}
          </p>
        </div>
        <div className="flex flex-wrap gap-4">
          <Select
            label={t('footer.language')}
            value={locale}
            options={locales.map((l) => ({ value: l, label: t(`language.${l}`) }))}
            onChange={(value) => {
              if (!isLocale(value)) return
              remember('freehold-locale', value)
              document.documentElement.lang = value
              router.refresh()
            }}
          />
          <Select
            label={t('footer.theme')}
            value={chosen}
            options={themes.map((name) => ({ value: name, label: t(`footer.theme.${name}`) }))}
            onChange={(value) => {
              if (!isTheme(value)) return
              remember('freehold-theme', value)
              document.documentElement.dataset['theme'] = value
              setChosen(value)
            }}
          />
        </div>
      </div>
    </footer>
  )
}

function Select(props: {
  label: string
  value: string
  options: readonly { value: string; label: string }[]
  onChange(value: string): void
}) {
  const id = useId()
  return (
    <div>
      <label htmlFor={id} className="block font-medium">
        {props.label}
      </label>
      <select
        id={id}
        value={props.value}
        onChange={(e) => props.onChange(e.target.value)}
        className="mt-1 min-h-10 rounded-lg border border-edge bg-card px-2 text-ink"
      >
        {props.options.map((o) => (
          <option key={o.value} value={o.value}>
            {o.label}
          </option>
        ))}
      </select>
    </div>
  )
}
