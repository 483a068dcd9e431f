// How the scenarios of a file are played.

/**
 * Plays scenarios in their order, those whose name holds ONLY if that is set; then ends the process, well if all passed. One
 * that fails leaves pictures of its pages in `shots`, if there is such a folder, and keeps none of the next from being played.
 * `behind` is done behind each, `end` behind all.
 */
export async function play(what, scenarios, { browser, shots, behind = async () => {}, end }) {
  const only = process.env.ONLY ?? "";
  const wanted = Object.entries(scenarios).filter(([name]) => name.includes(only));
  let failed = 0;
  // What a scenario that failed still waited for fails when its pages close.
  process.on("unhandledRejection", (error) => {
    failed += 1;
    console.log(`FAILED  beside a scenario\n${error?.stack ?? error}`);
  });
  for (const [name, scenario] of wanted) {
    try {
      await scenario();
      console.log(`ok      ${name}`);
    } catch (error) {
      failed += 1;
      console.log(`FAILED  ${name}\n${error.stack}`);
      const path = `${shots}/${what.replaceAll(" ", "-")}-failed-${failed}`;
      const pages = shots ? browser.contexts().flatMap((context) => context.pages()) : [];
      for (const [n, page] of pages.entries()) await page.screenshot({ path: `${path}-${n}.png` }).catch(() => {});
      await Promise.all(browser.contexts().map((context) => context.close()));
    }
    await behind();
  }
  await browser.close();
  await end();
  console.log(`${what}: ${wanted.length - failed} passed, ${failed} failed`);
  process.exit(failed === 0 ? 0 : 1);
}
