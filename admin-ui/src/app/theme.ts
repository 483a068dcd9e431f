import { Alert, Badge, Button, Drawer, Menu, Modal, Popover, Select, Table, TextInput, Textarea, Tooltip, createTheme } from "@mantine/core";

// Colours and sizes are custom properties of styles.css: the console's policy lets no script write a style sheet.
export const theme = createTheme({
  primaryColor: "teal",
  primaryShade: 9,
  fontFamily: "system-ui, sans-serif",
  fontFamilyMonospace: "ui-monospace, SFMono-Regular, Menlo, monospace",
  defaultRadius: "md",
  respectReducedMotion: true,
  components: {
    Alert: Alert.extend({ defaultProps: { variant: "light" } }),
    Badge: Badge.extend({ defaultProps: { variant: "light", tt: "none", fw: 600 } }),
    Button: Button.extend({ defaultProps: { size: "sm" } }),
    Drawer: Drawer.extend({ defaultProps: { position: "right", size: "lg", closeButtonProps: { "aria-label": "Close" } } }),
    Menu: Menu.extend({ defaultProps: { withinPortal: true } }),
    Modal: Modal.extend({ defaultProps: { centered: true, closeButtonProps: { "aria-label": "Close" } } }),
    Popover: Popover.extend({ defaultProps: { withinPortal: true } }),
    Select: Select.extend({ defaultProps: { allowDeselect: false, checkIconPosition: "right" } }),
    Table: Table.extend({ defaultProps: { verticalSpacing: "sm" } }),
    TextInput: TextInput.extend({ defaultProps: { autoComplete: "off" } }),
    Textarea: Textarea.extend({ defaultProps: { autosize: true, minRows: 3 } }),
    Tooltip: Tooltip.extend({ defaultProps: { withArrow: true, openDelay: 200, events: { hover: true, focus: true, touch: true } } }),
  },
});
