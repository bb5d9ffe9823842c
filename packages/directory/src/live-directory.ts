/** A directory that answers by the newest good config: made anew when that has changed, at the next question. */
import { createDirectory, type Directory } from './directory.ts'
import { createCheckPassword } from './passwords.ts'
import type { LiveConfig } from './watch-config.ts'

export const createLiveDirectory = ({ version }: Pick<LiveConfig, 'version'>): Directory => {
  const options = { checkPassword: createCheckPassword() }
  let config = version()
  let directory = createDirectory(config, options)
  const newest = (): Directory => {
    const next = version()
    if (next !== config) {
      directory = createDirectory(next, options)
      config = next
    }
    return directory
  }
  return {
    isOwnDomain: (domain) => newest().isOwnDomain(domain),
    isTrusted: (ip) => newest().isTrusted(ip),
    authenticate: (user, password) => newest().authenticate(user, password),
    resolve: (address) => newest().resolve(address),
    destinationOf: (recipient) => newest().destinationOf(recipient),
    routeOf: (destination) => newest().routeOf(destination),
    classOf: (facts) => newest().classOf(facts),
    classHeaders: () => newest().classHeaders(),
    shapingOf: (destination, site) => newest().shapingOf(destination, site),
    shareOf: (cls) => newest().shareOf(cls),
    explain: (destination, site) => newest().explain(destination, site),
    replyRuleOf: (refusal) => newest().replyRuleOf(refusal),
    siteClassOf: (site) => newest().siteClassOf(site),
    accountExists: (address) => newest().accountExists(address),
    account: (address) => newest().account(address),
  }
}
