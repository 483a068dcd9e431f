import { DirectionProvider, MantineProvider } from "@mantine/core";
import "@mantine/core/styles.css";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { Refused } from "./api/problem";
import { router } from "./app/routes";
import "./app/styles.css";
import "./app/first-run.css";
import { theme } from "./app/theme";
import { Toasts } from "./components/toasts";

const client = new QueryClient({
  defaultOptions: {
    // A node on this machine answers without any network: what cannot be reached says so by itself.
    mutations: { networkMode: "always" },
    queries: {
      networkMode: "always",
      staleTime: 5_000,
      // What the node refuses it refuses again; what did not arrive may arrive.
      retry: (times, error) => times < 2 && (!(error instanceof Refused) || error.status >= 502),
    },
  },
});

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      {/* From left to right or from right to left, as the page says. */}
      <DirectionProvider>
        <MantineProvider theme={theme} defaultColorScheme="auto" withCssVariables={false} withGlobalClasses={false}>
          <QueryClientProvider client={client}>
            <RouterProvider router={router} />
            <Toasts />
          </QueryClientProvider>
        </MantineProvider>
      </DirectionProvider>
    </StrictMode>,
  );
}
