"""What two figures of the book share. One colour is one object, on every page."""

INPUT, STATE, OUTPUT, ERROR, WEIGHT = "#009E73", "#0072B2", "#882255", "#D55E00", "#444444"


def node(ax, at, text, colour):
    """Draw a round node with white text at (x, y), in data units; the axes must have equal aspect."""
    ax.annotate(
        text,
        at,
        color="white",
        ha="center",
        va="center",
        zorder=3,
        bbox={"boxstyle": "circle,pad=0.32", "facecolor": colour, "edgecolor": "none"},
    )


def arrow(ax, start, end, colour=WEIGHT, text="", bend=0.0, shift=(0.0, 0.0), gap=17, **style):
    """Draw an arrow between two nodes, leaving `gap` points at both ends, with a label beside its middle."""
    ax.annotate(
        "",
        end,
        start,
        zorder=2,
        arrowprops={
            "arrowstyle": "-|>",
            "color": colour,
            "lw": 1.4,
            "shrinkA": gap,
            "shrinkB": gap,
            "connectionstyle": f"arc3,rad={bend}",
        }
        | style,
    )
    middle = ((start[0] + end[0]) / 2 + shift[0], (start[1] + end[1]) / 2 + shift[1])
    ax.annotate(text, middle, color=colour, ha="center", va="center", fontsize="small", zorder=4)


def blank(ax):
    """Turn axes into a sheet of paper: equal aspect, no ticks, no grid, no frame."""
    ax.set_aspect("equal")
    ax.grid(False)
    ax.axis("off")


def unrolled(ax, T):
    """Draw the network unrolled over T steps: x_t below, h_t in the middle, z_t above."""
    node(ax, (0, 1), "$h_0$", STATE)
    for t in range(1, T + 1):
        node(ax, (t, 0), f"$x_{t}$", INPUT)
        node(ax, (t, 1), f"$h_{t}$", STATE)
        node(ax, (t, 2), f"$z_{t}$", OUTPUT)
        arrow(ax, (t, 0), (t, 1), INPUT, "$W_{hx}$", shift=(0.2, 0))
        arrow(ax, (t - 1, 1), (t, 1), STATE, "$W_{hh}$", shift=(0, 0.15), gap=14)
        arrow(ax, (t, 1), (t, 2), OUTPUT, "$W_{yh}$", shift=(0.2, 0))
    blank(ax)
    ax.set(xlim=(-0.35, T + 0.4), ylim=(-0.35, 2.3))
