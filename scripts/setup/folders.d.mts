/** The root of the checkout. */
export const checkout: string;
/** The one folder that holds all that is downloaded or built for the quickstart and the tests. */
export function cacheFolder(env?: NodeJS.ProcessEnv): string;
