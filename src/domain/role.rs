//! What somebody may do, each role with all that the one before it may.

/// A role, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Somebody of whom nothing is known.
    Anonymous,
    /// May look at the map, and read what is said.
    Viewer,
    /// May share views of the map.
    Operator,
    /// May do everything.
    Administrator,
}

impl Role {
    /// Those that somebody can be given.
    pub const GIVEN: [Self; 3] = [Self::Viewer, Self::Operator, Self::Administrator];

    /// The role by name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Administrator => "administrator",
        }
    }

    /// The role of this name, if it is one that can be given; `admin` is short for administrator.
    pub fn named(name: &str) -> Option<Self> {
        let name = if name == "admin" { Self::Administrator.name() } else { name };
        Self::GIVEN.into_iter().find(|role| role.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_may_more_than_the_one_before() {
        let all = [Role::Anonymous, Role::Viewer, Role::Operator, Role::Administrator];
        assert!(all.is_sorted());
    }

    #[test]
    fn a_role_is_found_by_its_name_and_nobody_is_given_none() {
        for role in Role::GIVEN {
            assert_eq!(Role::named(role.name()), Some(role));
        }
        assert_eq!(Role::named("admin"), Some(Role::Administrator));
        for name in ["anonymous", "Administrator", "", "root"] {
            assert_eq!(Role::named(name), None, "{name}");
        }
    }
}
